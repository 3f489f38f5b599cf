// What the programs here share: the server's address, its workers by its own list, connections to each of them, waiting.
'use strict';
const Redis = require('ioredis');

const PORT = Number(process.env.SKEP_PORT);
// A server under sanitizers on a busy machine is slow, not hung. The runner's limit is above this.
const PATIENCE_MS = 60000;

function connect(options) {
  return new Redis({ host: '127.0.0.1', port: PORT, connectTimeout: 20000, ...options });
}

function sleep(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

// Waits until look() gives something true, which it returns; `what`, a text or what tells one, is said of a wait in vain.
async function until(what, look) {
  const end = Date.now() + PATIENCE_MS;
  for (;;) {
    const got = await look();
    if (got) return got;
    if (Date.now() > end) throw new Error('waited in vain: ' + (typeof what === 'function' ? JSON.stringify(await what()) : what));
    await sleep(20);
  }
}

// The running workers: { index, pid, clients }. None with redis-server, which has no such thing.
async function workers(c) {
  const lines = (await c.info('workers')).matchAll(/^worker(\d+):pid=(\d+),state=running,clients=(\d+)/gm);
  return [...lines].map(([, index, pid, clients]) => ({ index: +index, pid: +pid, clients: +clients }));
}

function clientsOf(list) {
  return list.reduce((sum, w) => sum + w.clients, 0);
}

// Two connections, of two different workers where the server has them. The kernel chooses a connection's worker, so one
// connects until both have been met. Who got one is seen in the counts: this comes first in a program, before others connect.
async function connectToTwoWorkers(options) {
  const asked = connect();
  const met = new Map();
  const spare = [asked];
  if ((await workers(asked)).length < 2) return [connect(options), connect(options)];
  let before = await until('the runner left', async () => {
    const now = await workers(asked);
    return clientsOf(now) === 1 && now;
  });
  while (met.size < 2) {
    if (spare.length === 200) throw new Error('200 connections, and all of them at one worker');
    const c = connect(options);
    await c.ping();
    const after = await until('a new connection is counted', async () => {
      const now = await workers(asked);
      return clientsOf(now) === clientsOf(before) + 1 && now;
    });
    const { index } = after.find((w, i) => w.clients > before[i].clients);
    before = after;
    if (met.has(index)) spare.push(c);
    else met.set(index, c);
  }
  for (const c of spare) c.disconnect();
  return [...met.values()];
}

// Runs the program: its error is shown and its status is 1. Libraries keep timers, so it ends by itself only here.
function run(name, main) {
  main().then(
    () => {
      console.log(name + ' ok');
      process.exit(0);
    },
    (e) => {
      console.error(name + ':', e);
      process.exit(1);
    },
  );
}

module.exports = { PORT, Redis, connect, connectToTwoWorkers, run, sleep, until, workers };
