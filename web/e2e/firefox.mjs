// Firefox, driven by its own protocol (Marionette): each message is its length, a colon, and JSON.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { createConnection } from 'node:net';
import { join } from 'node:path';
import { until } from './world.mjs';

const program = process.env.FIREFOX ?? '/usr/bin/firefox-esr';
const PREFERENCES = {
  'marionette.port': 0,
  'media.autoplay.default': 0,
  // Without it data channels find no way where there is nothing but loopback.
  'media.peerconnection.ice.loopback': true,
};

class Wire {
  bytes = Buffer.alloc(0);
  waiting = new Map();
  last = 0;

  constructor(socket) {
    this.socket = socket;
    socket.on('data', (bytes) => this.came(bytes));
  }

  came(bytes) {
    this.bytes = Buffer.concat([this.bytes, bytes]);
    for (let colon = this.bytes.indexOf(':'); colon > 0; colon = this.bytes.indexOf(':')) {
      const end = colon + 1 + Number(this.bytes.subarray(0, colon));
      if (this.bytes.length < end) return;
      const message = JSON.parse(this.bytes.subarray(colon + 1, end));
      this.bytes = this.bytes.subarray(end);
      // The first one greets, and answers nothing.
      if (Array.isArray(message)) this.waiting.get(message[1])?.(message);
    }
  }

  async ask(command, parameters) {
    this.last += 1;
    const text = JSON.stringify([0, this.last, command, parameters]);
    const answered = new Promise((resolve) => this.waiting.set(this.last, resolve));
    this.socket.write(`${Buffer.byteLength(text)}:${text}`);
    const [, , error, result] = await answered;
    if (error !== null) throw new Error(`${command}: ${error.message}`);
    return result;
  }
}

async function portOf(profile) {
  const file = join(profile, 'MarionetteActivePort');
  let port = '';
  await until('Firefox listens', async () => {
    port = await readFile(file, 'utf8').catch(() => '');
    return port !== '';
  });
  return Number(port);
}

/** A Firefox with a profile in `folder`, and one page. */
export async function firefox(folder) {
  const profile = await mkdtemp(join(folder, 'firefox-'));
  const lines = Object.entries(PREFERENCES).map(([name, value]) => `user_pref(${JSON.stringify(name)}, ${JSON.stringify(value)});`);
  await writeFile(join(profile, 'user.js'), lines.join('\n'));
  const child = spawn(program, ['--headless', '--no-remote', '--profile', profile, '--marionette', 'about:blank'], {
    env: { ...process.env, HOME: folder },
    stdio: 'ignore',
  });
  const gone = once(child, 'exit');
  const socket = createConnection({ host: '127.0.0.1', port: await portOf(profile) });
  await once(socket, 'connect');
  const wire = new Wire(socket);
  await wire.ask('WebDriver:NewSession', { capabilities: {} });
  const close = async () => {
    socket.destroy();
    child.kill('SIGTERM');
    await gone;
  };
  const click = async (selector) => {
    const { value } = await wire.ask('WebDriver:FindElement', { using: 'css selector', value: selector });
    await wire.ask('WebDriver:ElementClick', { id: Object.values(value)[0] });
  };
  const told = async (script) => (await wire.ask('WebDriver:ExecuteScript', { script: `return ${script}`, args: [] })).value;
  return { go: (url) => wire.ask('WebDriver:Navigate', { url }), click, holds: (what, script) => until(what, () => told(script)), close };
}
