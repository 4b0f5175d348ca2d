// The sharing control: in one sentence what is shared, bytes by source as they flow, and a switch.

import { computed, signal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import { bytes, count, rate } from '../model/words';
import { provider, source, words } from '../state/library';
import type { Sharing } from '../source/source';
import { Icon } from './icons';

const EVERY_MS = 2000;
const SLOWLY_MS = 10_000;

interface Sample {
  readonly at: number;
  readonly sharing: Sharing;
}

const last = signal<Sample | null>(null);
const before = signal<Sample | null>(null);
const failed = signal<string | null>(null);
const open = signal(false);

/** Bytes a second since the sample before. */
const flow = computed(() => {
  const [a, b] = [before.value, last.value];
  if (a === null || b === null || b.at <= a.at) return { up: 0, down: 0 };
  const got = (s: Sharing): number => s.lan + s.peers + s.origin + s.unverified;
  const per = (from: number, to: number): number => Math.max(0, (to - from) * 1000) / (b.at - a.at);
  return { up: per(a.sharing.sent, b.sharing.sent), down: per(got(a.sharing), got(b.sharing)) };
});

async function sample(): Promise<void> {
  try {
    const sharing = await source.sharing();
    // What is shown is a flow only between two samples of the same part.
    before.value = sharing === null ? null : last.peek();
    last.value = sharing === null ? null : { at: performance.now(), sharing };
    failed.value = null;
  } catch (error) {
    failed.value = words(error);
  }
}

/** Looks how it is going, if anything takes part for this page: where nothing does, nothing comes later. */
function useSampling(): void {
  const isOpen = open.value;
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    let ended = false;
    const again = async (looks: boolean): Promise<void> => {
      if (looks) await sample();
      if (!ended) timer = setTimeout(() => void again(document.visibilityState === 'visible'), isOpen ? EVERY_MS : SLOWLY_MS);
    };
    void source.begun.then((takesPart) => {
      if (takesPart && !ended) void again(true);
    });
    return () => {
      ended = true;
      clearTimeout(timer);
    };
  }, [isOpen]);
}

const PARTS = [
  ['cache', 'This machine', 'kept from earlier'],
  ['lan', 'Your network', 'from devices beside you'],
  ['peers', 'Other listeners', 'from people nearby'],
  ['origin', 'The provider', 'from its server'],
  ['unverified', 'Unchecked', 'straight from the server'],
] as const;

/** Unchecked bytes are the exception. */
const partsOf = (sharing: Sharing) => PARTS.filter(([key]) => key !== 'unverified' || sharing.unverified > 0);

function BySource({ sharing }: { sharing: Sharing }) {
  const parts = partsOf(sharing);
  const all = parts.reduce((sum, [key]) => sum + sharing[key], 0);
  return (
    <>
      <div class="stack" aria-hidden="true">
        {parts.map(([key]) => (
          <i class={`from-${key}`} style={{ flexGrow: all > 0 ? sharing[key] / all : 0 }} key={key} />
        ))}
      </div>
      <dl class="by-source">
        {parts.map(([key, name, why]) => (
          <div key={key}>
            <dt>
              <i class={`dot from-${key}`} /> {name} <small>{why}</small>
            </dt>
            <dd>{bytes(sharing[key])}</dd>
          </div>
        ))}
      </dl>
    </>
  );
}

async function change(enabled: boolean): Promise<void> {
  try {
    await source.share(enabled);
    await sample();
  } catch (error) {
    failed.value = words(error);
  }
}

const RESTS: Readonly<Record<string, string>> = {
  'switched off': 'its settings say so',
  provider: 'the provider switched sharing off',
  mobile: 'this device is set to be mobile',
  battery: 'this device runs on its battery',
  metered: 'this line is metered',
  paused: 'you paused it',
  hours: 'it is outside of the hours that were set',
  'month used': 'this month’s limit is used up',
};

function sentence({ state, why, kept }: Sharing): string {
  const because = RESTS[why ?? ''];
  if (state === 'off') return `What you play is not handed on${because === undefined ? '' : `: ${because}`}.`;
  if (state === 'near') return `What you play is handed on within your own network only${because === undefined ? '' : `: ${because}`}.`;
  const where = kept === null ? 'on this machine' : kept.where === 'browser' || kept.where === 'full' ? 'in this browser' : 'in this tab';
  return `What you play is kept ${where} for a while and handed on, checked, to listeners near you.`;
}

function NodePanel({ sharing }: { sharing: Sharing }) {
  const { up, down } = flow.value;
  const near = sharing.supernode ? `${count(sharing.connected, 'listener')} connected` : 'Nobody can be found right now; what plays comes from the provider';
  return (
    <>
      <p class="panel-said">{sentence(sharing)}</p>
      {(sharing.state === 'on' || sharing.why === 'paused') && (
        <label class="switch">
          <span>Hand on what I play</span>
          <input type="checkbox" role="switch" checked={sharing.state === 'on'} onChange={(e) => void change((e.target as HTMLInputElement).checked)} />
        </label>
      )}
      <h3>What you played came from</h3>
      <BySource sharing={sharing} />
      <dl class="flows">
        <div>
          <dt>Coming in</dt>
          <dd>{rate(down)}</dd>
        </div>
        <div>
          <dt>Handed on</dt>
          <dd>
            {bytes(sharing.sent)} <small>{rate(up)}</small>
          </dd>
        </div>
      </dl>
      {sharing.kept !== null && <KeptLine {...sharing.kept} />}
      <p class="panel-near">{`${near}. Counted since ${source.kind === 'site' ? 'this page was opened' : 'the node started'}.`}</p>
    </>
  );
}

const WHERE = {
  browser: 'Kept in this browser for your next visit',
  full: 'This browser has no room for more. Kept for your next visit',
  tab: 'Held until this tab is closed: another tab of this site keeps what is played, and does not answer.',
  memory: 'Held until this tab is closed: browsers keep it only for pages over HTTPS that may store data, and outside of private windows.',
} as const;

/** What is kept for the next visit, and a way to have it forgotten. */
function KeptLine({ bytes: size, where }: NonNullable<Sharing['kept']>) {
  if (where === 'tab' || where === 'memory') return <p class="panel-near">{WHERE[where]}</p>;
  const clear = (): void => {
    source.clear();
    void sample();
  };
  return (
    <p class="panel-near panel-kept" data-kept={size}>
      {`${WHERE[where]}: ${bytes(size)}. `}
      <button type="button" class="text-button" onClick={clear}>
        Forget it
      </button>
    </p>
  );
}

const SitePanel = () => (
  <>
    <p class="panel-said">{`This page plays straight from ${provider.value || 'the provider'}: nothing is handed on from this tab.`}</p>
    <p class="panel-near">
      Something that tabs need to deliver to each other is missing here, or has failed. With the Nearcast program on your machine the same library plays
      from your cache and from listeners near you, also offline.
    </p>
  </>
);

export function SharingControl() {
  useSampling();
  const panel = useRef<HTMLDivElement>(null);
  const now = last.value;
  const off = now?.sharing.state === 'off';
  // A tab takes part once its engine runs; until then, and where it cannot, the page plays straight from its server.
  const direct = source.kind === 'site' && now === null;
  return (
    <div class="sharing">
      <button type="button" class={`chip${off || direct ? '' : ' is-live'}`} popovertarget="sharing-panel" title="Sharing">
        <Icon name="near" size={18} />
        <span class="chip-text">
          <span class="sr-only">Sharing: </span>
          {direct ? 'Direct' : off ? 'Sharing off' : now === null ? 'Sharing' : `${bytes(now.sharing.sent)} shared`}
        </span>
      </button>
      <div
        id="sharing-panel"
        ref={panel}
        class="panel"
        popover="auto"
        role="dialog"
        aria-label="Sharing"
        onToggle={(e) => (open.value = e.newState === 'open')}
      >
        <h2>Sharing</h2>
        {failed.value !== null && <p class="failure">{failed.value}</p>}
        {direct ? <SitePanel /> : now !== null && <NodePanel sharing={now.sharing} />}
      </div>
    </div>
  );
}
