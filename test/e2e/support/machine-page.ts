import { type Locator, type Page, expect } from '@playwright/test';

/** One machine with its terminal. */
export class MachinePage {
  readonly state: Locator;
  readonly back: Locator;
  readonly shutDown: Locator;
  readonly startButton: Locator;
  readonly error: Locator;
  readonly input: Locator;
  /** The terminal's lines, as assistive technology reads them. */
  readonly screen: Locator;

  constructor(private readonly page: Page) {
    this.state = page.getByRole('banner').getByRole('status');
    this.back = page.getByRole('button', { name: 'All boxes' });
    this.shutDown = page.getByRole('banner').getByRole('button', { name: 'Shut down' });
    this.startButton = page.getByRole('main').getByRole('button', { name: /^Start/ });
    this.error = page.getByRole('alert');
    this.input = page.getByRole('textbox', { name: /^Terminal of/ });
    this.screen = page.locator('.xterm-accessibility-tree');
  }

  /** Wait for the shell's prompt. */
  async shell(timeout = 60_000): Promise<void> {
    await expect(this.state).toHaveText('Running', { timeout });
    await expect.poll(() => this.lastLine(), { timeout }).toMatch(/^root@\S+# ?$/);
  }

  /** The last line on screen that is not empty. */
  private async lastLine(): Promise<string> {
    const lines = await this.screen.getByRole('listitem').allTextContents();
    return lines.map((line) => line.trim()).findLast((line) => line !== '') ?? '';
  }

  /** Type a command and return when its output is there. */
  async command(text: string, output: string | RegExp): Promise<void> {
    await this.input.focus();
    await this.page.keyboard.type(text);
    await this.page.keyboard.press('Enter');
    await expect(this.screen).toContainText(output, { timeout: 20_000 });
  }
}
