// redlock: locks, their extension, and many that want one, through connections to two workers.
'use strict';
const assert = require('assert');
const Redlock = require('redlock');
const { connectToTwoWorkers, run, sleep } = require('./common');

const LONG_MS = 600000; // no lock runs out while the test runs, however slow the machine is

async function takeAndExtend(a, b, [one, two]) {
  const lock = await a.lock('lock:one', LONG_MS);
  assert.equal(await two.get('lock:one'), lock.value);
  await assert.rejects(b.lock('lock:one', LONG_MS), { name: 'LockError' });
  await assert.rejects(b.lock(['lock:free', 'lock:one'], LONG_MS), { name: 'LockError' });
  assert.equal(await one.exists('lock:free'), 0, 'all of several locks or none');

  const longer = await lock.extend(2 * LONG_MS);
  assert.ok((await two.pttl('lock:one')) > LONG_MS);
  await assert.rejects(b.unlock({ ...longer, value: 'of another' }), { name: 'LockError' });
  await longer.unlock();
  await assert.rejects(longer.unlock(), { name: 'LockError' });
  await assert.rejects(longer.extend(LONG_MS), { name: 'LockError' });

  const many = await b.lock(['lock:one', 'lock:two', 'lock:three'], LONG_MS);
  assert.equal(await one.exists('lock:one', 'lock:two', 'lock:three'), 3);
  await many.extend(2 * LONG_MS);
  for (const key of ['lock:one', 'lock:two', 'lock:three']) assert.ok((await one.pttl(key)) > LONG_MS);
  await many.unlock();
  assert.equal(await one.exists('lock:one', 'lock:two', 'lock:three'), 0);

  await a.lock('lock:short', LONG_MS);
  await one.pexpire('lock:short', 30);
  while (await two.exists('lock:short')) await sleep(10);
  await (await b.lock('lock:short', LONG_MS)).unlock();
}

// Six that add to one number by reading and writing it: what was lost shows in the sum.
async function contend(a, b, clients) {
  const TURNS = 15;
  let inside = 0;
  const add = async (redlock, client) => {
    for (let i = 0; i < TURNS; i++) {
      const lock = await redlock.lock('lock:number', LONG_MS);
      assert.equal(++inside, 1, 'two hold one lock');
      const n = Number(await client.get('number'));
      await client.set('number', n + 1);
      inside--;
      await lock.unlock();
    }
  };
  await Promise.all([0, 1, 2, 3, 4, 5].map((i) => add(i % 2 ? a : b, clients[i % 2])));
  assert.equal(Number(await clients[0].get('number')), 6 * TURNS);
}

run('redlock', async () => {
  const clients = await connectToTwoWorkers();
  const [a, b] = clients.map((c) => new Redlock([c], { retryCount: 0 }));
  await takeAndExtend(a, b, clients);
  await contend(...clients.map((c) => new Redlock([c], { retryCount: -1, retryDelay: 4, retryJitter: 4 })), clients);
});
