// bull while workers of the server are killed (KILLS of them): no job is lost, and none is completed twice.
//
// A job that was being run when its connection broke may run again: bull promises at least once. But each is finished once,
// since the script that finishes a job takes it out of the active ones and tells of it, and is there whole or not at all.
'use strict';
const assert = require('assert');
const Queue = require('bull');
const { PORT, connect, run, sleep, until, workers } = require('./common');

const KILLS = Number(process.env.KILLS);
const JOBS = 600;
// A job that nobody holds any more is free after two seconds, and may be found so as often as there are kills, and more.
const settings = { lockDuration: 2000, stalledInterval: 300, maxStalledCount: 100, guardInterval: 200, retryProcessDelay: 50 };

function queue(broken) {
  const q = new Queue('kill', { redis: { host: '127.0.0.1', port: PORT, retryStrategy: () => 20 }, settings });
  q.on('error', (e) => broken.push(e.message));
  return q;
}

function count(counts, id) {
  counts.set(id, (counts.get(id) ?? 0) + 1);
}

// Kills one worker after the other by the server's own list, each in the middle of the work; a new one takes its place.
async function killWorkers(c, finished) {
  for (let n = 0; n < KILLS; n++) {
    await until('progress before kill ' + n, async () => (await finished()) >= ((n + 1) * JOBS) / (KILLS + 2));
    const before = await workers(c);
    if (before.length === 0) return; // redis-server has none to kill
    assert.equal(before.length, 2);
    const { pid } = before[n % 2];
    await sleep(Math.random() * 20); // else it would always be struck when it has just answered us
    process.kill(pid, 'SIGKILL');
    await until('a new worker', async () => {
      const now = await workers(c);
      return now.length === 2 && now.every((w) => w.pid !== pid);
    });
  }
}

async function check(q, sums, told) {
  assert.deepEqual(await q.getJobCounts(), { waiting: 0, active: 0, completed: JOBS, failed: 0, delayed: 0, paused: 0 });
  const jobs = await q.getCompleted();
  assert.deepEqual(jobs.map((job) => job.data.i).sort((x, y) => x - y), Array.from({ length: JOBS }, (_, i) => i));
  for (const job of jobs) assert.equal(job.returnvalue, job.data.i * 2);
  for (const counts of told) {
    for (const [id, n] of counts) assert.equal(n, 1, 'job ' + id + ' was completed ' + n + ' times');
  }
  assert.equal(sums.size, JOBS, 'each ran');
}

run('bull, workers killed', async () => {
  const broken = [];
  const c = connect({ retryStrategy: () => 20 });
  c.on('error', () => {});
  const producer = queue(broken);
  const consumers = [queue(broken), queue(broken), queue(broken)];
  const [runs, local, global] = [new Map(), new Map(), new Map()];
  consumers[0].on('global:completed', (id) => count(global, id));
  for (const consumer of consumers) {
    consumer.on('completed', (job) => count(local, job.id));
    consumer.process(3, async (job) => {
      count(runs, job.id);
      await sleep(5);
      return job.data.i * 2;
    });
  }
  const finished = () => producer.getCompletedCount();
  let closed = 0;
  for (const q of [producer, ...consumers]) for (const one of q.clients) one.on('close', () => closed++);
  const killer = killWorkers(c, finished);
  // The id is ours: a job whose adding was not answered is added again by the library, and must not become two.
  const adding = Array.from({ length: JOBS }, (_, i) => producer.add({ i }, { jobId: 'job' + i }));
  await Promise.all([...adding, killer]);
  const states = async () => ({ ...(await producer.getJobCounts()), broken });
  await until(states, async () => (await finished()) === JOBS && (await producer.getActiveCount()) === 0);
  await check(producer, runs, [local, global]);
  const again = [...runs.values()].reduce((sum, n) => sum + n - 1, 0);
  console.log('%d kills, %d connections lost, %d runs repeated', KILLS, closed, again);
});
