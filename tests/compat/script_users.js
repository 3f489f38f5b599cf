// Packages that live by Lua scripts, against two workers: ioredis's defineCommand, redlock, rate-limiter-flexible, bee-queue,
// bull 4; and every script of bullmq loads. A failure names the package. NODE_PATH says where they are installed.
//   script_users.js users | killed
'use strict';
const assert = require('assert');
const fs = require('fs');
const path = require('path');
const Redis = require('ioredis');
const port = Number(process.env.SKEP_PORT);
const connection = { host: '127.0.0.1', port };

const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

// Waits for what is to come, however slow the machine is; a wait in vain is ended, with words, before the runner ends it.
const LIMIT_MS = 100000;
let waitingFor = '';
async function until(what) {
  waitingFor = what.toString();
  while (!(await what())) await sleep(10);
}

async function ioredis() {
  const r = new Redis(connection);
  r.defineCommand('both', { numberOfKeys: 2, lua: 'return {KEYS[1], KEYS[2], ARGV[1], ARGV[2]}' });
  assert.deepEqual(await r.both('k1', 'k2', 'a', 'b'), ['k1', 'k2', 'a', 'b']);
  r.defineCommand('some', { lua: 'return {#KEYS, #ARGV}' });
  assert.deepEqual(await r.some(1, 'k', 'a', 'b'), [1, 2]);
  r.defineCommand('addup', { numberOfKeys: 1, lua: `
    local n = 0
    for i = 1, #ARGV do n = n + ARGV[i] end
    redis.call('INCRBY', KEYS[1], n)
    return 'total:' .. redis.call('GET', KEYS[1]) / 1` });
  assert.equal(await r.addup('sum', 1, 2, 3), 'total:6');
  await r.script('FLUSH');
  assert.equal(await r.addup('sum', '4'), 'total:10');
  const answers = await r.pipeline().addup('sum', 1).addup('sum', 2).both('x', 'y', 1, 2).exec();
  assert.deepEqual(answers, [[null, 'total:11'], [null, 'total:13'], [null, ['x', 'y', '1', '2']]]);
  assert.deepEqual(await r.multi().addup('sum', 1).get('sum').exec(), [[null, 'total:14'], [null, '14']]);
  r.defineCommand('wrong', { numberOfKeys: 1, lua: "return redis.call('LPUSH', KEYS[1], 'x')" });
  await assert.rejects(r.wrong('sum'), /WRONGTYPE/);
  await r.quit();
}

async function redlock() {
  const Redlock = require('redlock');
  const r = new Redis(connection);
  const locks = new Redlock([r], { retryCount: 0 });
  const lock = await locks.lock('lock:a', 60000);
  await assert.rejects(locks.lock('lock:a', 60000), Redlock.LockError);
  const longer = await lock.extend(60000);
  assert.ok((await r.pttl('lock:a')) > 0);
  await longer.unlock();
  assert.equal(await r.exists('lock:a'), 0);
  const two = await locks.lock(['lock:b', 'lock:c'], 60000);
  await assert.rejects(locks.lock(['lock:c', 'lock:d'], 60000), Redlock.LockError);
  await two.unlock();
  await assert.rejects(two.unlock(), Redlock.LockError);
  await r.quit();
}

async function rateLimiter() {
  const { RateLimiterRedis } = require('rate-limiter-flexible');
  const r = new Redis(connection);
  const limiter = new RateLimiterRedis({ storeClient: r, points: 5, duration: 600, keyPrefix: 'rate' });
  for (let i = 4; i >= 0; i--) assert.equal((await limiter.consume('me')).remainingPoints, i);
  await assert.rejects(limiter.consume('me'), (e) => e.msBeforeNext > 0 && e.consumedPoints === 6);
  assert.equal((await limiter.get('me')).consumedPoints, 6);
  await limiter.reward('me', 2);
  assert.equal((await limiter.get('me')).consumedPoints, 4);
  await limiter.delete('me');
  assert.equal(await limiter.get('me'), null);
  await r.quit();
}

async function beeQueue() {
  const Queue = require('bee-queue');
  const q = new Queue('bees', { redis: connection, activateDelayedJobs: true, stallInterval: 60000 });
  const done = [];
  await q.ready();
  const delayed = await q.createJob({ n: 100 }).delayUntil(Date.now() + 50).save();
  for (let n = 0; n < 20; n++) await q.createJob({ n }).retries(1).save();
  const failedOnce = new Set();
  q.process(4, async (job) => {
    if (job.data.n === 7 && !failedOnce.has(7)) {
      failedOnce.add(7);
      throw new Error('once');
    }
    done.push(job.data.n);
    return job.data.n * 2;
  });
  await until(() => done.length === 21);
  assert.deepEqual(done.sort((a, b) => a - b), [...Array(20).keys(), 100]);
  await until(async () => (await q.checkHealth()).succeeded === 21);
  assert.equal((await q.getJob(delayed.id)).status, 'succeeded');
  await q.close();
}

async function bull() {
  const Queue = require('bull');
  const q = new Queue('bulls', { redis: connection });
  const done = [];
  q.process(3, async (job) => {
    if (job.data.n === 3 && job.attemptsMade === 0) throw new Error('once');
    done.push(job.data.n);
    return job.data.n;
  });
  await q.addBulk([...Array(10).keys()].map((n) => ({ data: { n }, opts: { attempts: 2 } })));
  await q.add({ n: 20 }, { delay: 50 });
  await q.add({ n: 21 }, { priority: 1 });
  await q.add({ n: 22 }, { lifo: true });
  await q.add({ n: 30 }, { repeat: { every: 100, limit: 2 } });
  await until(() => done.length === 15);
  assert.deepEqual(done.sort((a, b) => a - b), [...Array(10).keys(), 20, 21, 22, 30, 30]);
  await until(async () => (await q.getJobCounts()).completed === 15);
  await q.pause();
  const kept = await q.add({ n: 40 });
  assert.equal((await q.getJobCounts()).paused, 1);
  await kept.remove();
  await q.resume();
  await q.clean(0, 'completed');
  assert.equal((await q.getJobCounts()).completed, 0);
  await q.close();
}

async function bullRateAndStall() {
  const Queue = require('bull');
  const slow = new Queue('slow', { redis: connection, limiter: { max: 2, duration: 100 } });
  let n = 0;
  slow.process(async () => { n++; });
  await slow.addBulk(Array.from({ length: 5 }, () => ({ data: {} })));
  await until(() => n === 5);
  await slow.close();

  // A worker takes a job and is never heard of again: another one gets it.
  const settings = { stalledInterval: 100, lockDuration: 100, lockRenewTime: 100000, maxStalledCount: 5 };
  const q = new Queue('stalls', { redis: connection, settings });
  await q.add({ n: 1 });
  await until(async () => (await q.getNextJob()) !== null);
  const other = new Queue('stalls', { redis: connection, settings });
  const again = new Promise((done) => other.process(async (job) => done(job.data.n)));
  assert.equal(await again, 1);
  await other.close();
  await q.close(true);
}

async function bullmqLoads() {
  const r = new Redis(connection);
  const dir = path.join(path.dirname(require.resolve('bullmq')), 'scripts');
  let loaded = 0;
  for (const name of fs.readdirSync(dir).filter((f) => /-\d+\.js$/.test(f))) {
    for (const script of Object.values(require(path.join(dir, name)))) {
      assert.match(await r.script('LOAD', script.content), /^[0-9a-f]{40}$/, name);
      loaded++;
    }
  }
  assert.ok(loaded > 30, 'only ' + loaded + ' scripts');
  await r.quit();
}

async function workerPids(r) {
  return [...(await r.info('workers')).matchAll(/^worker\d+:pid=(\d+),state=running/gm)].map((m) => Number(m[1]));
}

// Workers of the server die while jobs are taken and finished, by scripts: each job is done at least once, and none is left
// where nobody looks for it.
async function bullBesideDeaths() {
  const Queue = require('bull');
  const JOBS = 300, WORKERS = 2;
  const forever = { ...connection, maxRetriesPerRequest: null };
  const settings = { stalledInterval: 200, lockDuration: 1000, maxStalledCount: 100, retryProcessDelay: 10, guardInterval: 200 };
  const q = new Queue('killed', { redis: forever, settings });
  const r = new Redis(forever);
  const done = new Set();
  q.on('error', () => {});
  await q.addBulk([...Array(JOBS).keys()].map((n) => ({ data: { n } })));
  q.process(4, async (job) => { done.add(job.data.n); });
  for (const least of [30, 90, 150, 210]) {
    await until(() => done.size >= least);
    const victim = (await workerPids(r))[least % WORKERS];
    process.kill(victim, 'SIGKILL');
    await until(async () => {
      const pids = await workerPids(r).catch(() => []);
      return pids.length === WORKERS && !pids.includes(victim);
    });
  }
  await until(() => done.size === JOBS);
  await until(async () => {
    const counts = await q.getJobCounts();
    return counts.active === 0 && counts.waiting === 0 && counts.completed + counts.failed === JOBS;
  });
  assert.equal((await q.getJobCounts()).failed, 0);
  await r.quit();
}

const parts = {
  users: [ioredis, redlock, rateLimiter, beeQueue, bull, bullRateAndStall, bullmqLoads],
  killed: [bullBesideDeaths],
};

async function main() {
  let name = '';
  setTimeout(() => {
    console.error('in ' + name + ': waited too long; last for ' + waitingFor);
    process.exit(1);
  }, LIMIT_MS).unref();
  for (const part of parts[process.argv[2]]) {
    name = part.name;
    try {
      await part();
    } catch (e) {
      console.error('in ' + part.name + ':', e);
      process.exit(1);
    }
  }
  process.exit(0);
}

main();
