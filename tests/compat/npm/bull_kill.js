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

// Steps of a transaction, most of them of bull's scripts here: before the one that makes it count, and after.
const POINTS = ['TX_BEFORE_COMMIT', 'TX_COMMITTED', 'TX_PUBLISHED', 'TX_UNLOCKED_ONE'];

async function deaths(c) {
  return Number((await c.info('workers')).match(/crashes_repaired:(\d+)/)[1]);
}

// One worker after the other dies in the middle of the work: by a signal at any moment, or, where the build has crash points,
// by itself inside a transaction.
async function killWorkers(c, finished) {
  for (let n = 0; n < KILLS; n++) {
    await until('progress before kill ' + n, async () => (await finished()) >= ((n + 1) * JOBS) / (KILLS + 2));
    const running = await workers(c);
    if (running.length === 0) return; // redis-server has none to kill
    assert.equal(running.length, 2);
    const point = POINTS[(n >> 1) % POINTS.length];
    const armed = n % 2 === 1 && (await c.call('DEBUG', 'CRASHPOINT', point, 10).catch(() => false));
    if (!armed) {
      await sleep(Math.random() * 20); // else it would always be struck when it has just answered us
      process.kill(running[(n >> 1) % 2].pid, 'SIGKILL');
    }
    await until('the death and a new worker', async () => (await deaths(c)) === n + 1 && (await workers(c)).length === 2);
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
  let [closed, stalled] = [0, 0];
  const [runs, local, global] = [new Map(), new Map(), new Map()];
  consumers[0].on('global:completed', (id) => count(global, id));
  for (const consumer of consumers) {
    consumer.on('stalled', () => stalled++);
    consumer.on('completed', (job) => count(local, job.id));
    consumer.process(3, async (job) => {
      count(runs, job.id);
      await sleep(5);
      return job.data.i * 2;
    });
  }
  const finished = () => producer.getCompletedCount();
  for (const q of [producer, ...consumers]) for (const one of q.clients) one.on('close', () => closed++);
  const killer = killWorkers(c, finished);
  // The id is ours: a job whose adding was not answered is added again by the library, and must not become two.
  const adding = Array.from({ length: JOBS }, (_, i) => producer.add({ i }, { jobId: 'job' + i }));
  await Promise.all([...adding, killer]);
  const states = async () => ({ ...(await producer.getJobCounts()), broken });
  await until(states, async () => (await finished()) === JOBS && (await producer.getActiveCount()) === 0);
  await check(producer, runs, [local, global]);
  const again = [...runs.values()].reduce((sum, n) => sum + n - 1, 0);
  console.log('%d kills, %d connections lost, %d jobs found stalled, %d runs repeated', KILLS, closed, stalled, again);
});
