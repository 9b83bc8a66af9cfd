import type { Locator, Page } from '@playwright/test';

/** The list of machines. */
export class LibraryPage {
  readonly heading: Locator;

  constructor(private readonly page: Page) {
    this.heading = page.getByRole('heading', { name: 'Boxes' });
  }

  card(name: string): MachineCard {
    return new MachineCard(this.page.getByRole('article', { name, exact: true }));
  }
}

/** One machine in the list. */
export class MachineCard {
  readonly state: Locator;
  readonly error: Locator;
  /** All of the card but its other buttons. */
  readonly open: Locator;

  constructor(readonly element: Locator) {
    this.state = element.getByRole('status').first();
    this.error = element.getByRole('alert');
    this.open = element.getByRole('button', { name: /^Open ./ });
  }

  button(name: string): Locator {
    return this.element.getByRole('button', { name, exact: true });
  }
}
