// bull: queues, their order, delayed and repeated jobs, retries, limits of rate, stalled jobs, events, pause and resume.
'use strict';
const assert = require('assert');
const Queue = require('bull');
const { PORT, connect, run, sleep, until } = require('./common');

const queues = [];

// Each queue has up to three connections; with two dozen queues both workers have many of them. A lock lasts longer than
// the test, unless the part is about that: a slow machine must not make a job stall.
function queue(name, options = {}) {
  const settings = { lockDuration: 600000, stalledInterval: 600000, guardInterval: 200, drainDelay: 1, ...options.settings };
  const q = new Queue(name, { redis: { host: '127.0.0.1', port: PORT }, ...options, settings });
  q.on('error', (e) => { throw e; });
  queues.push(q);
  return q;
}

function reached(q, wanted) {
  const total = { waiting: 0, active: 0, completed: 0, failed: 0, delayed: 0, paused: 0, ...wanted };
  return until(
    async () => q.name + ' ' + JSON.stringify(await q.getJobCounts()),
    async () => {
      const now = await q.getJobCounts();
      return Object.keys(total).every((state) => now[state] === total[state]);
    },
  );
}

async function manyJobs() {
  const N = 200;
  const producer = queue('many');
  const consumers = [queue('many'), queue('many')];
  const completed = new Map();
  const progress = new Set();
  producer.on('global:completed', (id, result) => completed.set(id, (completed.get(id) ?? []).concat(JSON.parse(result))));
  producer.on('global:progress', (id, at) => progress.add(at));
  const c = connect();
  const channels = ['bull:many:completed', 'bull:many:progress'];
  await until('subscriptions', async () => String(await c.pubsub('NUMSUB', ...channels)) === channels.join(',1,') + ',1');
  const runs = [];
  for (const consumer of consumers) {
    consumer.process('double', 4, async (job) => {
      runs.push(job.id);
      if (job.data.i === 7) await job.progress(42);
      return job.data.i * 2;
    });
    consumer.process('word', 1, async (job) => 'word ' + job.data.i);
  }
  const jobs = await Promise.all(Array.from({ length: N }, (_, i) => producer.add('double', { i })));
  await producer.addBulk(Array.from({ length: 20 }, (_, i) => ({ name: 'word', data: { i } })));
  await reached(producer, { completed: N + 20 });
  assert.equal(new Set(runs).size, N);
  assert.equal(runs.length, N);
  for (const job of jobs) assert.equal((await producer.getJob(job.id)).returnvalue, job.data.i * 2);
  await until('events of all jobs', () => completed.size === N + 20 && progress.size === 1);
  assert.ok([...completed.values()].every((results) => results.length === 1), 'an event came twice');
  assert.equal(await jobs[3].finished(), 6);
  assert.equal((await producer.add('word', { i: 'x' }, { jobId: jobs[0].id })).id, jobs[0].id);
  await producer.clean(0, 'completed');
  assert.equal(await producer.getCompletedCount(), 0);
}

// What waits while the queue is paused is then taken by priority, within one by age, then what has none; lifo comes before.
async function orderAndPause() {
  const q = queue('order');
  const other = queue('order');
  await q.pause();
  for (const [name, opts] of [['c', { priority: 3 }], ['a1', { priority: 1 }], ['b', { priority: 2 }], ['a2', { priority: 1 }]]) {
    await q.add({ name }, opts);
  }
  await q.add({ name: 'plain' });
  await q.add({ name: 'lifo' }, { lifo: true });
  const order = [];
  other.process(async (job) => { order.push(job.data.name); });
  assert.equal(await other.isPaused(), true);
  await reached(q, { paused: 6 });
  assert.deepEqual(await q.getCountsPerPriority([1, 2, 3]), { 1: 2, 2: 1, 3: 1 });
  assert.deepEqual(order, []);
  await q.resume();
  await reached(other, { completed: 6 });
  assert.deepEqual(order, ['lifo', 'a1', 'a2', 'b', 'c', 'plain']);
  await other.pause(true);
  await q.add({ name: 'later' });
  await sleep(50);
  assert.equal(order.length, 6);
  await other.resume(true);
  await reached(q, { completed: 7 });
  await q.pause();
  await q.add({ name: 'never' });
  await q.empty();
  await q.obliterate();
  const c = connect();
  assert.deepEqual((await c.keys('bull:order:*')).filter((k) => !/stalled-check/.test(k)), []);
}

async function delayed() {
  const q = queue('delayed');
  const order = [];
  q.process(async (job) => {
    order.push(job.data.name);
    assert.ok(Date.now() >= job.timestamp + job.opts.delay || job.data.name === 'promoted', job.data.name + ' came early');
  });
  const delays = { third: 1300, first: 400, second: 800, promoted: 86400000, gone: 86400000 };
  // All in one transaction: a pause between them would change their order.
  const added = await q.addBulk(Object.entries(delays).map(([name, delay]) => ({ data: { name }, opts: { delay } })));
  const [, , , far, gone] = added;
  await reached(q, { completed: 3, delayed: 2 });
  assert.deepEqual(order, ['first', 'second', 'third']);
  await far.promote();
  await gone.remove();
  await reached(q, { completed: 4 });
}

async function repeated() {
  const q = queue('repeated');
  let turns = 0;
  q.process('every', async () => ++turns);
  q.process('cron', async () => 'cron');
  await q.add('every', { is: 'every' }, { repeat: { every: 200, limit: 3 } });
  await q.add('cron', {}, { repeat: { cron: '* * * * * *', limit: 1 } });
  await q.add('far', {}, { repeat: { cron: '0 0 1 1 *' } });
  await reached(q, { completed: 4, delayed: 1 });
  assert.equal(turns, 3);
  const far = (await q.getRepeatableJobs()).find((r) => r.name === 'far');
  await q.removeRepeatableByKey(far.key);
  await reached(q, { completed: 4 });
  assert.ok(!(await q.getRepeatableJobs()).some((r) => r.name === 'far'));
}

async function failures() {
  const q = queue('failing');
  q.process(3, async (job) => {
    await job.log('attempt ' + job.attemptsMade);
    if (job.attemptsMade < job.data.fails) throw new Error('failure ' + job.attemptsMade);
    return job.attemptsMade;
  });
  const twice = await q.add({ fails: 2 }, { attempts: 3 });
  const slow = await q.add({ fails: 2 }, { attempts: 3, backoff: { type: 'fixed', delay: 100 } });
  const growing = await q.add({ fails: 1 }, { attempts: 3, backoff: { type: 'exponential', delay: 50 } });
  const lost = await q.add({ fails: 9 }, { attempts: 2 });
  await q.add({ fails: 9 }, { removeOnFail: true });
  await q.add({ fails: 0 }, { removeOnComplete: true });
  await reached(q, { completed: 3, failed: 1 });
  for (const [job, wanted] of [[twice, 2], [slow, 2], [growing, 1]]) assert.equal((await q.getJob(job.id)).returnvalue, wanted);
  const after = await q.getJob(lost.id);
  assert.equal(after.failedReason, 'failure 1');
  assert.equal(after.stacktrace.length, 2);
  assert.equal((await q.getJobLogs(lost.id)).count, 2);
  await assert.rejects(lost.finished(), /failure 1/);
  await after.update({ fails: 0 });
  await after.retry();
  await reached(q, { completed: 4 });
}

// A window that does not end while the test looks: exactly so many jobs are let through, whichever consumer asks.
async function limited() {
  const limiter = { max: 5, duration: 3600000 };
  const consumers = [queue('limited', { limiter }), queue('limited', { limiter })];
  const runs = [];
  await consumers[0].addBulk(Array.from({ length: 12 }, (_, i) => ({ data: { i } })));
  for (const q of consumers) q.process(2, async (job) => { runs.push(job.data.i); });
  await reached(consumers[0], { completed: 5, delayed: 7 });
  assert.equal(runs.length, 5);
  const c = connect();
  assert.ok((await c.pttl('bull:limited:limiter')) > 0);
  await c.del('bull:limited:limiter');
  for (const job of await consumers[0].getDelayed()) await job.promote();
  await reached(consumers[0], { completed: 10, delayed: 2 });
  assert.equal(new Set(runs).size, 10);
  assert.equal(runs.length, 10);
}

// Two jobs are taken and never finished; the locks run out. The first may stall once, the second not.
async function stalled() {
  const short = { lockDuration: 200, lockRenewTime: 100000, stalledInterval: 0 };
  for (const [name, maxStalledCount, wanted] of [['stalled', 1, { completed: 1 }], ['stalled-out', 0, { failed: 1 }]]) {
    const holder = queue(name, { settings: short });
    const job = await holder.add({ is: 'held' });
    assert.equal((await holder.getNextJob()).id, job.id);
    await reached(holder, { active: 1 });
    const c = connect();
    await until('the lock ran out', async () => !(await c.exists('bull:' + name + ':' + job.id + ':lock')));
    const rescuer = queue(name, { settings: { stalledInterval: 100, maxStalledCount } });
    const seen = [];
    rescuer.on('stalled', (one) => seen.push(one.id));
    rescuer.process(async (one) => 'rescued ' + one.data.is);
    await reached(holder, wanted);
    const after = await holder.getJob(job.id);
    if (wanted.completed) assert.equal(after.returnvalue, 'rescued held');
    else assert.equal(after.failedReason, 'job stalled more than allowable limit');
    await until('the event', () => !wanted.completed || seen.includes(job.id));
  }
}

run('bull', async () => {
  await Promise.all([manyJobs(), orderAndPause(), delayed(), repeated(), failures(), limited(), stalled()]);
  await Promise.all(queues.map((q) => q.close()));
});
