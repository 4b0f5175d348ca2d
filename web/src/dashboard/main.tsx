// The provider's dashboard: what the origin sends, who listens, what is asked for. Everything on it was counted.

import { computed, signal } from '@preact/signals';
import { render } from 'preact';
import { bytes, count } from '../model/words';
import { readLibrary } from '../source/reading';
import { audience, AudienceBox, cost, elsewhere, percent } from './audience';
import { Chart, Stack } from './chart';
import { Delivery } from './delivery';
import { type Figures, figures, follow, giveToken, locked, rates, type Sample, toCsv, trouble } from './figures';
import { bins } from './got';
import { keep, kept } from './keep';
import { save } from './save';

const RANGES = [
  ['15 min', 900],
  ['1 h', 3600],
  ['24 h', 86_400],
] as const;

const PRICE = 'nearcast.dashboard.price';

/** What the rate of the moment is a mean over. */
const MOMENT_S = 30;

const range = signal(3600);
const names = signal<ReadonlyMap<string, string>>(new Map());
const provider = signal('Nearcast');
const price = signal(Number(kept('local', PRICE)) || 0);

const shown = computed<readonly Sample[]>(() => {
  const now = figures.value?.now ?? 0;
  return (figures.value?.history ?? []).filter((s) => s.at >= now - range.value);
});
const times = computed(() => shown.value.map((s) => s.at));
const sending = computed(() => rates(shown.value, (s) => s.sent));
const listeners = computed(() => shown.value.map((s) => s.listeners));
const BINS = 30;
const got = computed(() => bins(shown.value, figures.value?.now ?? 0, range.value, BINS));

const bitRate = (bytesPerSecond: number): string => {
  const bits = bytesPerSecond * 8;
  if (bits < 999.5) return `${Math.round(bits)} bit/s`;
  if (bits < 999_500) return `${Math.round(bits / 1000)} kbit/s`;
  return bits < 999_500_000 ? `${(bits / 1e6).toPrecision(3)} Mbit/s` : `${(bits / 1e9).toPrecision(3)} Gbit/s`;
};

function rateNow({ history }: Figures): number | null {
  const last = history.at(-1);
  const first = last && history.find((s) => s.at >= last.at - MOMENT_S);
  if (!last || !first || last.at === first.at || last.sent < first.sent) return null;
  return (last.sent - first.sent) / (last.at - first.at);
}

function Tile({ name, value, under }: { name: string; value: string; under: string }) {
  return (
    <div class="tile">
      <dt>{name}</dt>
      <dd>{value}</dd>
      <dd class="under">{under}</dd>
    </div>
  );
}

function Tiles({ all }: { all: Figures }) {
  const rate = rateNow(all);
  const hours = Math.max(0, all.now - all.started) / 3600;
  const since = hours < 1 ? `${Math.round(hours * 60)} min` : `${hours.toFixed(1)} h`;
  const reported = audience.value;
  const spared = reported === null ? 0 : elsewhere(reported);
  const parts = (...words: string[]): string => words.filter((word) => word !== '').join(', ');
  return (
    <dl class="tiles">
      <Tile name="Listeners now" value={all.total.listeners.toLocaleString()} under="nodes connected to the supernode" />
      <Tile name="Not from the origin" value={percent(reported?.shared.offload ?? null)} under={parts(`${bytes(spared)} of what players got`, cost(spared, price.value))} />
      <Tile name="Origin sends" value={rate === null ? '–' : bitRate(rate)} under={`mean of the last ${MOMENT_S} s`} />
      <Tile name="Origin sent" value={bytes(all.total.sent)} under={parts(cost(all.total.sent, price.value), `${bytes(all.total.media)} of it media`, count(all.total.requests, 'request'))} />
      <Tile name="Running for" value={since} under={`since ${new Date(all.started * 1000).toLocaleString()}`} />
    </dl>
  );
}

function Titles({ all }: { all: Figures }) {
  const most = all.titles[0]?.bytes ?? 0;
  if (all.titles.length === 0) return <p class="quiet">No title was asked for since the start.</p>;
  return (
    <table>
      <thead>
        <tr>
          <th scope="col">Title</th>
          <th scope="col" class="number">
            Requests
          </th>
          <th scope="col" class="number">
            Asked of the origin
          </th>
        </tr>
      </thead>
      <tbody>
        {all.titles.slice(0, 15).map((t) => (
          <tr key={t.title}>
            <th scope="row">
              <span>{names.value.get(t.title) ?? t.title}</span>
              <i style={{ width: `${most > 0 ? (t.bytes / most) * 100 : 0}%` }} />
            </th>
            <td class="number">{t.requests.toLocaleString()}</td>
            <td class="number">{bytes(t.bytes)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

const SOURCES = [
  ['Kept from earlier', '--from-cache'],
  ['From the own network', '--from-lan'],
  ['From other listeners', '--from-peers'],
  ['From the origin', '--from-origin'],
] as const;

/** Bytes by source over time. */
function Sources() {
  const { times, bytes: all } = got.value;
  const sums = all.map((values) => values.reduce((a, b) => a + b, 0));
  if (sums.every((sum) => sum === 0)) return <p class="quiet">Nothing was reported in this time: players tell about once a minute, and when they have ended.</p>;
  const parts = SOURCES.map(([name, colour], n) => ({ name, colour, values: all[n] ?? [] }));
  const words = SOURCES.map(([name], n) => `${name.toLowerCase()} ${bytes(sums[n] ?? 0)}`).join(', ');
  return <Stack label={`What players got: ${words}`} times={times} parts={parts} show={bytes} />;
}

const SUPERNODE = [
  ['connections', 'Open connections'],
  ['titles', 'Titles that somebody holds'],
  ['lookups_answered', 'Lookups answered'],
  ['signals', 'Signals handed on'],
] as const;

/** By listeners' devices, as they report it. */
const REFUSED_BY_PEERS = [
  ['corrupt', 'Sent bad blocks'],
  ['rules', 'Broke the rules'],
  ['banned', 'Came back after that'],
  ['strangers', 'Of another provider or version'],
] as const;

const REFUSED_BY_SUPERNODE = [
  ['deferred', 'Told to come back later'],
  ['turned_away', 'Turned away: no room'],
  ['expired', 'Fell silent'],
  ['misbehaved', 'Broke the rules'],
] as const;

type Counts = Readonly<Record<string, number>>;

const Counted = ({ names, of }: { names: readonly (readonly [string, string])[]; of: Counts }) => (
  <dl class="counts">
    {names.map(([key, name]) => (
      <div key={key}>
        <dt>{name}</dt>
        <dd>{(of[key] ?? 0).toLocaleString()}</dd>
      </div>
    ))}
  </dl>
);

const exportCsv = (): void => save('nearcast.csv', toCsv(figures.peek()?.history ?? []));

function setPrice(event: Event): void {
  price.value = Math.max(0, Number((event.target as HTMLInputElement).value) || 0);
  keep('local', PRICE, String(price.value));
}

const Locked = () => (
  <main>
    <form
      class="locked"
      onSubmit={(e) => {
        e.preventDefault();
        giveToken(String(new FormData(e.currentTarget).get('token') ?? ''));
      }}
    >
      <h1>The dashboard is locked</h1>
      <p>Open the address that nearcast serve printed when it started, or paste the token from it.</p>
      <input name="token" type="password" aria-label="Token" autocomplete="off" required />
      <button type="submit">Open</button>
    </form>
  </main>
);

function Board({ all }: { all: Figures }) {
  return (
    <>
      <Tiles all={all} />
      <div class="ranges" role="group" aria-label="Shown">
        {RANGES.map(([name, seconds]) => (
          <button type="button" key={name} aria-pressed={range.value === seconds} onClick={() => (range.value = seconds)}>
            {name}
          </button>
        ))}
      </div>
      <div class="charts">
        <section class="box">
          <h2>What the origin sends</h2>
          <Chart label="Origin sends" times={times.value} values={sending.value} colour="--accent" show={bitRate} />
        </section>
        <section class="box">
          <h2>Listeners</h2>
          <Chart label="Listeners" times={times.value} values={listeners.value} colour="--from-cache" show={(n) => (Number.isInteger(n) ? String(n) : '')} />
        </section>
      </div>
      <div class="charts">
        <section class="box">
          <h2>Most asked for</h2>
          <Titles all={all} />
        </section>
        <section class="box">
          <h2>Supernode</h2>
          <Counted names={SUPERNODE} of={all.supernode} />
        </section>
      </div>
      <section class="box box-alone">
        <h2>Refused, and why</h2>
        <div class="refused">
          <div>
            <h3>By listeners’ devices</h3>
            <Counted names={REFUSED_BY_PEERS} of={audience.value?.refused ?? {}} />
          </div>
          <div>
            <h3>By the supernode</h3>
            <Counted names={REFUSED_BY_SUPERNODE} of={all.supernode} />
          </div>
        </div>
      </section>
      <section class="box box-alone">
        <h2>What players got, by source</h2>
        <Sources />
      </section>
      <section class="box box-alone">
        <h2>Who delivers to whom</h2>
        <Delivery />
      </section>
      <section class="box">
        <h2>The audience, with peers and held out</h2>
        <AudienceBox price={price.value} />
      </section>
    </>
  );
}

function Dashboard() {
  const all = figures.value;
  if (locked.value) return <Locked />;
  return (
    <main class="board">
      <header>
        <h1>{provider.value}</h1>
        <span class={`live${trouble.value === null ? '' : ' is-lost'}`} role="status">
          {trouble.value ?? 'Live'}
        </span>
        <label class="price">
          Price of a GB <input type="number" min="0" step="0.001" value={price.value || ''} placeholder="0.00" onInput={setPrice} />
        </label>
        <button type="button" class="export" onClick={exportCsv}>
          Export CSV
        </button>
      </header>
      {all === null ? <p class="quiet">Loading the figures …</p> : <Board all={all} />}
    </main>
  );
}

const root = document.getElementById('app');
if (root === null) throw new Error('the page has no place for the dashboard');
render(<Dashboard />, root);
follow();
try {
  // Whoever looks at the dashboard is no listener: no engine is started.
  const library = await readLibrary(() => {});
  provider.value = library.provider;
  names.value = new Map(library.titles.map((t) => [t.id, t.artist === null ? t.name : `${t.name} · ${t.artist}`]));
  document.title = `${library.provider} · dashboard`;
} catch {
  // Without the catalogue, titles are shown by their ids.
}
