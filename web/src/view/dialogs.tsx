// Small dialogs: a playlist's name, the keys.

import { signal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import { KEYS, keysShown } from '../player/keys';

interface Question {
  readonly title: string;
  readonly value: string;
  readonly confirm: string;
  readonly answer: (text: string) => void;
}

const question = signal<Question | null>(null);

export function ask(title: string, value: string, confirm: string, answer: (text: string) => void): void {
  question.value = { title, value, confirm, answer };
}

export function AskDialog() {
  const asked = question.value;
  const box = useRef<HTMLDialogElement>(null);
  const input = useRef<HTMLInputElement>(null);
  useEffect(() => {
    if (asked === null) return;
    box.current?.showModal();
    input.current?.select();
  }, [asked]);
  if (asked === null) return null;
  const submit = (event: Event): void => {
    event.preventDefault();
    const text = input.current?.value.trim() ?? '';
    if (text === '') return;
    question.value = null;
    asked.answer(text);
  };
  return (
    <dialog ref={box} class="dialog" aria-label={asked.title} onClose={() => (question.value = null)}>
      <form onSubmit={submit}>
        <h2>{asked.title}</h2>
        <input ref={input} type="text" maxLength={200} aria-label="Name" defaultValue={asked.value} required />
        <div class="dialog-actions">
          <button type="button" class="plain-button" onClick={() => (question.value = null)}>
            Cancel
          </button>
          <button type="submit" class="main-button">
            {asked.confirm}
          </button>
        </div>
      </form>
    </dialog>
  );
}

export function KeysDialog() {
  const box = useRef<HTMLDialogElement>(null);
  const shown = keysShown.value;
  useEffect(() => {
    if (shown) box.current?.showModal();
  }, [shown]);
  if (!shown) return null;
  return (
    <dialog ref={box} class="dialog" aria-label="Keys" onClose={() => (keysShown.value = false)}>
      <h2>Keys</h2>
      <dl class="keys">
        {KEYS.map(([key, does]) => (
          <div>
            <dt>
              <kbd>{key}</kbd>
            </dt>
            <dd>{does}</dd>
          </div>
        ))}
      </dl>
      <div class="dialog-actions">
        <button type="button" class="main-button" onClick={() => (keysShown.value = false)}>
          Close
        </button>
      </div>
    </dialog>
  );
}
