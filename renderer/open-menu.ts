/** Open the context menu of what a button stands in, below the button: for those who do not know that there is one. */
export function openMenu(event: MouseEvent): void {
  const button = event.currentTarget as HTMLElement;
  const { left, bottom } = button.getBoundingClientRect();
  button.dispatchEvent(new MouseEvent('contextmenu', { bubbles: true, cancelable: true, clientX: left, clientY: bottom + 4 }));
}
