import type { Locator, Page } from '@playwright/test';

/** The list of machines. */
export class LibraryPage {
  readonly heading: Locator;

  constructor(private readonly page: Page) {
    this.heading = page.getByRole('heading', { name: 'Machines' });
  }

  card(name: string): MachineCard {
    return new MachineCard(this.page.getByRole('article', { name }));
  }
}

/** One machine in the list. */
export class MachineCard {
  readonly state: Locator;
  readonly error: Locator;

  constructor(readonly element: Locator) {
    this.state = element.getByRole('status').first();
    this.error = element.getByRole('alert');
  }

  button(name: string): Locator {
    return this.element.getByRole('button', { name, exact: true });
  }
}
