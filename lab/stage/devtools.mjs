// A browser driven over its own pipe. The usual drivers have it record what pages load, and it keeps those records in the
// pages' own processes, up to 200 MB in each: that is no way to look at how much memory a page takes.

import { spawn } from 'node:child_process';

/** Starts a Chromium that keeps what it learns in a folder. It ends with its pipe, whatever becomes of this program. */
export function launch(executable, folder, args) {
  const child = spawn(executable, ['--remote-debugging-pipe', '--headless', '--mute-audio', `--user-data-dir=${folder}`, ...args], {
    stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'],
  });
  const gone = new Promise((resolve) => child.once('close', resolve));
  return new Browser(child, gone);
}

class Browser {
  #last = 0;
  #calls = new Map();
  #rest = '';

  constructor(child, gone) {
    this.child = child;
    this.gone = gone;
    /** Called with each event: its method, what it says, and of which page. */
    this.heard = () => {};
    const [, , , , from] = child.stdio;
    from.setEncoding('utf8');
    from.on('data', (piece) => this.#take(piece));
    child.once('close', () => {
      for (const { reject } of this.#calls.values()) reject(new Error('the browser has ended'));
      this.#calls.clear();
    });
  }

  #take(piece) {
    const lines = (this.#rest + piece).split('\0');
    this.#rest = lines.pop();
    for (const line of lines) {
      const { id, result, error, method, params, sessionId } = JSON.parse(line);
      if (id === undefined) {
        this.heard(method, params, sessionId);
        continue;
      }
      const call = this.#calls.get(id);
      this.#calls.delete(id);
      if (error === undefined) call?.resolve(result);
      else call?.reject(new Error(`${call.method}: ${error.message}`));
    }
  }

  /** Asks the browser, or one of its pages. */
  send(method, params = {}, sessionId = undefined) {
    const id = ++this.#last;
    return new Promise((resolve, reject) => {
      this.#calls.set(id, { method, resolve, reject });
      this.child.stdio[3].write(`${JSON.stringify({ id, method, params, sessionId })}\0`);
    });
  }

  /** Opens a page, and tells of what its scripts throw. */
  async open(url, wrong) {
    const { targetId } = await this.send('Target.createTarget', { url: 'about:blank' });
    const { sessionId } = await this.send('Target.attachToTarget', { targetId, flatten: true });
    this.heard = (method, params) => {
      if (method === 'Runtime.exceptionThrown') wrong(params.exceptionDetails.exception?.description ?? params.exceptionDetails.text);
    };
    const page = new Page(this, sessionId);
    await page.send('Runtime.enable');
    await page.send('Page.enable');
    await page.send('Page.navigate', { url });
    return page;
  }

  async close() {
    // Whoever has ended does not answer.
    await this.send('Browser.close').catch(() => {});
    await this.gone;
  }
}

class Page {
  constructor(browser, session) {
    this.browser = browser;
    this.session = session;
  }

  send(method, params) {
    return this.browser.send(method, params, this.session);
  }

  /** What an expression comes to in the page. */
  async evaluate(expression) {
    const { result, exceptionDetails } = await this.send('Runtime.evaluate', { expression, returnByValue: true, awaitPromise: true });
    if (exceptionDetails !== undefined) throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
    return result.value;
  }
}
