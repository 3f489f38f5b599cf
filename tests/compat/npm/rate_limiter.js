// rate-limiter-flexible: limits counted exactly, by limiters whose connections are of two workers.
'use strict';
const assert = require('assert');
const redis3 = require('redis');
const { BurstyRateLimiter, RateLimiterRedis, RateLimiterUnion } = require('rate-limiter-flexible');
const { PORT, connectToTwoWorkers, run } = require('./common');

const LONG_S = 1000; // no window ends while the test runs, however slow the machine is

function limiters(clients, options) {
  return clients.map((storeClient) => new RateLimiterRedis({ storeClient, duration: LONG_S, ...options }));
}

async function settled(promises) {
  const all = await Promise.allSettled(promises);
  for (const one of all) assert.ok(!(one.reason instanceof Error), one.reason);
  return { good: all.filter((x) => x.status === 'fulfilled').map((x) => x.value), all };
}

// Each consumer is told another number of points, from 1 to the count of all: none is counted twice or left out.
async function countExactly(clients) {
  const both = limiters(clients, { keyPrefix: 'exact', points: 100 });
  const { good, all } = await settled(Array.from({ length: 300 }, (_, i) => both[i % 2].consume('somebody')));
  assert.equal(good.length, 100);
  const points = all.map((x) => (x.value ?? x.reason).consumedPoints).sort((x, y) => x - y);
  assert.deepEqual(points, Array.from({ length: 300 }, (_, i) => i + 1));
  for (const x of all) {
    const { msBeforeNext, remainingPoints, consumedPoints } = x.value ?? x.reason;
    assert.ok(msBeforeNext > 0 && msBeforeNext <= LONG_S * 1000);
    assert.equal(remainingPoints, Math.max(100 - consumedPoints, 0));
  }
  assert.equal(await clients[0].get('exact:somebody'), '300');
}

async function changePoints(clients) {
  const [a, b] = limiters(clients, { keyPrefix: 'points', points: 10 });
  await a.consume('k', 4);
  assert.equal((await b.penalty('k', 3)).consumedPoints, 7);
  assert.equal((await a.reward('k', 2)).consumedPoints, 5);
  assert.equal((await b.get('k')).remainingPoints, 5);
  await b.consume('k', 5);
  await assert.rejects(a.consume('k', 1), (e) => e.consumedPoints === 11);
  assert.equal(await a.delete('k'), true);
  assert.equal(await b.delete('k'), false);
  assert.equal(await b.get('k'), null);
  await a.block('k', LONG_S);
  await assert.rejects(b.consume('k'), (e) => e.consumedPoints > 10 && e.msBeforeNext > 0);
  await a.set('k', 9, LONG_S);
  assert.equal((await b.consume('k')).remainingPoints, 0);
  await assert.rejects(a.consume('k'), (e) => e.remainingPoints === 0);
}

async function blockAndForever(clients) {
  const blocking = limiters(clients, { keyPrefix: 'block', points: 2, blockDuration: 2 * LONG_S });
  await settled([0, 1, 0].map((i) => blocking[i].consume('k')));
  assert.ok((await clients[1].ttl('block:k')) > LONG_S, 'who went too far stays out for longer than the window');

  const forever = limiters(clients, { keyPrefix: 'forever', points: 3, duration: 0 });
  const { good } = await settled([0, 1, 0, 1, 0].map((i) => forever[i].consume('k')));
  assert.equal(good.length, 3);
  assert.equal(await clients[0].ttl('forever:k'), -1);

  const short = limiters(clients, { keyPrefix: 'short', points: 1, duration: 1 });
  const first = await short[0].consume('k');
  assert.ok(first.msBeforeNext <= 1000);
  while (await clients[1].exists('short:k'));
  assert.equal((await short[1].consume('k')).isFirstInDuration, true);
}

async function together(clients) {
  const [a, b] = limiters(clients, { keyPrefix: 'base', points: 2 });
  const [burst] = limiters(clients, { keyPrefix: 'burst', points: 3 });
  const bursty = new BurstyRateLimiter(a, burst);
  const { good } = await settled(Array.from({ length: 9 }, () => bursty.consume('k')));
  assert.equal(good.length, 5);
  const union = new RateLimiterUnion(b, limiters(clients, { keyPrefix: 'other', points: 1 })[1]);
  await union.consume('u');
  await assert.rejects(union.consume('u'), (e) => e.other.consumedPoints === 2 && !e.base);
}

// The old node-redis sends the script's whole text with EVAL each time.
async function oldNodeRedis([one]) {
  const storeClient = redis3.createClient({ host: '127.0.0.1', port: PORT });
  const limiter = new RateLimiterRedis({
    storeClient, useRedis3AndLowerPackage: true, keyPrefix: 'old', points: 5, duration: LONG_S,
  });
  const { good } = await settled(Array.from({ length: 12 }, () => limiter.consume('k')));
  assert.equal(good.length, 5);
  assert.equal(await one.get('old:k'), '12');
  storeClient.quit();
}

run('rate-limiter-flexible', async () => {
  const clients = await connectToTwoWorkers();
  for (const part of [countExactly, changePoints, blockAndForever, together, oldNodeRedis]) await part(clients);
});
