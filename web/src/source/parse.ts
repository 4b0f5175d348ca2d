// Reads JSON from the network into typed values. What does not fit is absent rather than trusted.

export type Json = Record<string, unknown>;

export const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

export const text = (value: unknown): string | null => (typeof value === 'string' && value !== '' ? value : null);

export const number = (value: unknown): number | null =>
  typeof value === 'number' && Number.isFinite(value) ? value : null;

export const objects = (value: unknown): Json[] => (Array.isArray(value) ? value.filter(isObject) : []);

/** The numbers of an object, by name. */
export const counts = (json: Json): Readonly<Record<string, number>> =>
  Object.fromEntries(Object.entries(json).flatMap(([name, value]) => (typeof value === 'number' ? [[name, value] as const] : [])));

export const child = (value: unknown): Json => (isObject(value) ? value : {});

/** Path with each part escaped. */
export const escapePath = (path: string): string => path.split('/').map(encodeURIComponent).join('/');

/** Letters that reverse the text around them, and with it what a line seems to say. */
const REVERSING = /[\u202a-\u202e\u2066-\u2069]/gu;

export const line = (value: unknown): string | null => {
  const read = text(value);
  return read === null ? null : read.replace(REVERSING, '').trim() || null;
};
