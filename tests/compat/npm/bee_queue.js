// bee-queue: jobs, their failures and retries, delayed jobs, events, and jobs whose holder went away.
'use strict';
const assert = require('assert');
const BeeQueue = require('bee-queue');
const { PORT, connect, run, until } = require('./common');

const queues = [];

// Each queue has three connections; whose worker they come to is the kernel's choice, with a dozen queues both have many.
async function queue(name, settings) {
  const q = new BeeQueue(name, { redis: { host: '127.0.0.1', port: PORT }, stallInterval: 600000, ...settings });
  q.on('error', (e) => { throw e; });
  await q.ready();
  queues.push(q);
  return q;
}

async function counts(q) {
  const { waiting, active, succeeded, failed, delayed } = await q.checkHealth();
  return { waiting, active, succeeded, failed, delayed };
}

function reached(q, wanted) {
  const total = { waiting: 0, active: 0, succeeded: 0, failed: 0, delayed: 0, ...wanted };
  return until(
    () => counts(q),
    async () => JSON.stringify(await counts(q)) === JSON.stringify(total),
  );
}

async function manyJobs() {
  const producer = await queue('many', { isWorker: false });
  const consumers = [await queue('many'), await queue('many')];
  const told = new Map();
  const progress = new Set();
  producer.on('job succeeded', (id, result) => told.set(id, result));
  producer.on('job progress', (id, at) => progress.add(id + ':' + at));
  const jobs = Array.from({ length: 200 }, (_, i) => producer.createJob({ i }));
  assert.equal((await producer.saveAll(jobs.slice(0, 150))).size, 0);
  let runs = 0;
  for (const consumer of consumers) {
    consumer.process(5, async (job) => {
      runs++;
      if (job.data.i % 50 === 0) await job.reportProgress(50);
      return job.data.i * 2;
    });
  }
  await Promise.all(jobs.slice(150).map((job) => job.save()));
  await reached(producer, { succeeded: 200 });
  await until(() => told.size, () => told.size === 200 && progress.size === 4);
  assert.equal(runs, 200);
  for (const job of jobs) assert.equal(told.get(job.id), job.data.i * 2);
}

async function failures() {
  const q = await queue('failing', { activateDelayedJobs: true, delayedDebounce: 10 });
  const runs = new Map();
  q.process(3, async (job) => {
    const n = (runs.get(job.data.name) ?? 0) + 1;
    runs.set(job.data.name, n);
    if (n <= job.data.fails) throw new Error('failure ' + n);
    return n;
  });
  const add = (name, fails) => q.createJob({ name, fails });
  const all = [
    add('twice', 2).retries(3), add('fixed', 2).retries(2).backoff('fixed', 30),
    add('exponential', 2).retries(4).backoff('exponential', 20), add('never', 99).retries(1), add('single', 1),
  ];
  const last = new Promise((resolve) => all[0].on('succeeded', resolve));
  for (const job of all) await job.save();
  await reached(q, { succeeded: 3, failed: 2 });
  assert.equal(await last, 3);
  assert.deepEqual(Object.fromEntries(runs), { twice: 3, fixed: 3, exponential: 3, never: 2, single: 1 });
  assert.equal((await q.getJobs('failed', { size: 10 })).length, 2);

  await (await q.getJob(all[4].id)).retry();
  await reached(q, { succeeded: 4, failed: 1 });
  await q.removeJob(all[3].id);
  await reached(q, { succeeded: 4 });
  assert.equal(await q.getJob(all[3].id), null);
}

async function delayed() {
  const q = await queue('delayed', { activateDelayedJobs: true, delayedDebounce: 10 });
  const base = Date.now();
  const done = [];
  q.process(async (job) => {
    done.push(job.data.name);
    assert.ok(Date.now() >= base + job.data.after, job.data.name + ' came early');
  });
  const add = (name, after) => q.createJob({ name, after }).delayUntil(base + after).save();
  await Promise.all([add('third', 1200), add('first', 500), add('second', 800), add('far', 86400000)]);
  await reached(q, { succeeded: 3, delayed: 1 });
  assert.deepEqual(done, ['first', 'second', 'third']);
}

// A job that somebody took and never finished comes back, and the same id is not added twice.
async function stalled(c) {
  const q = await queue('stalled', { stallInterval: 200, isWorker: false });
  const watcher = await queue('stalled', { stallInterval: 200 });
  const job = await q.createJob({ is: 'lost' }).setId('lost').save();
  assert.equal((await q.createJob({ is: 'again' }).setId('lost').save()).id, null);
  assert.equal(await c.brpoplpush('bq:stalled:waiting', 'bq:stalled:active', 5), job.id);
  assert.equal(await watcher.checkStalledJobs(), 0, 'the first look only notes what is active');
  await until('the job comes back', () => watcher.checkStalledJobs());
  const done = [];
  watcher.process(async (found) => done.push(found.data.is));
  await reached(q, { succeeded: 1 });
  assert.deepEqual(done, ['lost']);
}

async function closeAndDestroy() {
  const q = await queue('closing');
  await q.createJob({}).save();
  await q.destroy();
  const c = connect();
  assert.deepEqual(await c.keys('bq:closing:*'), []);
  for (const one of queues) await one.close(20000);
}

run('bee-queue', async () => {
  const c = connect();
  await Promise.all([manyJobs(), failures(), delayed(), stalled(c)]);
  await closeAndDestroy();
});
