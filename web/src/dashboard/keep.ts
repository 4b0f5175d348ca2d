// What the browser keeps for the dashboard: in this tab, or for good. Where it refuses, this page remembers until it is left.

const stores = { session: () => sessionStorage, local: () => localStorage };
const here = new Map<string, string>();

export function kept(where: keyof typeof stores, name: string): string | null {
  try {
    return stores[where]().getItem(name);
  } catch {
    return here.get(name) ?? null;
  }
}

export function keep(where: keyof typeof stores, name: string, value: string | null): void {
  try {
    if (value === null) stores[where]().removeItem(name);
    else stores[where]().setItem(name, value);
  } catch {
    if (value === null) here.delete(name);
    else here.set(name, value);
  }
}
