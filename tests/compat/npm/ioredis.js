// Everyday use of ioredis: commands of one's own, pipelines, transactions, streams of keys, waiting, publish and subscribe.
'use strict';
const assert = require('assert');
const { connect, connectToTwoWorkers, run, until } = require('./common');

const ADD = "return redis.call('INCRBY', KEYS[1], ARGV[1])";
const ECHO = 'return {#KEYS, #ARGV, KEYS[1] or false, ARGV[1] or false, KEYS[#KEYS] or false}';

async function ownCommands([one, two]) {
  for (const c of [one, two]) {
    c.defineCommand('addto', { numberOfKeys: 1, lua: ADD });
    c.defineCommand('tell', { lua: ECHO });
    c.defineCommand('readonlyget', { numberOfKeys: 1, lua: "return redis.call('GET', KEYS[1])", readOnly: true });
    c.defineCommand('fail', { numberOfKeys: 0, lua: "redis.call('SET', 'kept', 1) return redis.call('NOSUCH')" });
    c.defineCommand('refuse', { numberOfKeys: 0, lua: "return redis.error_reply('MINE own words')" });
  }
  assert.equal(await one.addto('n', 5), 5);
  assert.equal(await two.addto('n', 6), 11, 'a script of one worker is the other worker\'s too');
  assert.deepEqual(await one.tell(2, 'a', 'b', 'x'), [2, 1, 'a', 'x', 'b']);
  assert.deepEqual(await two.tell(0), [0, 0, null, null, null]);
  assert.deepEqual(await two.tell([1, 'a', 'x', 'y']), [1, 2, 'a', 'x', 'a']);
  assert.ok(Buffer.from('11').equals(await one.readonlygetBuffer('n')));
  await assert.rejects(one.fail(), /Unknown Redis command/);
  assert.equal(await two.get('kept'), '1');
  await assert.rejects(two.refuse(), { message: 'MINE own words' });
  await assert.rejects(one.tell(3, 'a'), /Number of keys can't be greater than number of args/);

  one.defineCommand('total', { numberOfKeys: 1, lua: "return 'total:' .. redis.call('GET', KEYS[1]) / 1" });
  assert.equal(await one.total('n'), 'total:11');
  await assert.rejects(one.call('EVAL', "return redis.call('LPUSH', KEYS[1], 'x')", 1, 'n'), /WRONGTYPE/);

  // After SCRIPT FLUSH the library's EVALSHA is answered with NOSCRIPT, and it sends the text.
  await two.script('FLUSH');
  assert.equal(await one.addto('n', 1), 12);
  await one.script('FLUSH');
  const got = await two.pipeline().addto('n', 1).tell(1, 'k').exec();
  assert.deepEqual(got, [[null, 13], [null, [1, 0, 'k', null, 'k']]]);
  await assert.rejects(one.refuse(), { message: 'MINE own words' });
  const inside = await two.multi().addto('n', 1).refuse().get('n').exec();
  assert.deepEqual(inside.map(([e, v]) => e?.message ?? v), [14, 'MINE own words', '14']);

  const sum = await Promise.all(Array.from({ length: 1000 }, (_, i) => [one, two][i % 2].addto('sum', 1)));
  assert.deepEqual(sum.sort((x, y) => x - y), Array.from({ length: 1000 }, (_, i) => i + 1));

  const prefixed = connect({ keyPrefix: 'p:', scripts: { addto: { numberOfKeys: 1, lua: ADD } } });
  assert.equal(await prefixed.addto('n', 3), 3);
  assert.equal(await one.get('p:n'), '3');
}

async function pipelines([one, two]) {
  const all = await one.pipeline().set('k', 'v').get('k').incr('k').hset('h', { a: 1, b: 2 }).hgetall('h').exec();
  assert.equal(all[2][0].message, 'ERR value is not an integer or out of range');
  assert.deepEqual([all[0][1], all[1][1], all[3][1], all[4][1]], ['OK', 'v', 2, { a: '1', b: '2' }]);
  const many = one.pipeline();
  for (let i = 0; i < 3000; i++) many.rpush('list', i);
  assert.equal((await many.exec()).length, 3000);
  assert.equal(await two.llen('list'), 3000);

  assert.deepEqual(await two.multi().set('m', 1).incr('m').exec(), [[null, 'OK'], [null, 2]]);
  await two.watch('m');
  await one.set('m', 5);
  assert.equal(await two.multi().incr('m').exec(), null);
  await assert.rejects(two.multi().set('m').exec(), /EXECABORT/);
  await two.multi({ pipeline: false });
  await two.set('m', 7);
  assert.deepEqual(await two.exec(), [[null, 'OK']]);

  const auto = connect({ enableAutoPipelining: true });
  const incremented = await Promise.all(Array.from({ length: 500 }, () => auto.incr('auto')));
  assert.deepEqual(incremented, Array.from({ length: 500 }, (_, i) => i + 1));
}

async function iterate([one, two]) {
  const wanted = new Set(Array.from({ length: 500 }, (_, i) => 'scan:' + i));
  await one.mset([...wanted].flatMap((key) => [key, 'v']));
  const seen = new Set();
  for await (const keys of two.scanStream({ match: 'scan:*', count: 50 })) keys.forEach((key) => seen.add(key));
  assert.deepEqual(seen, wanted);
  await one.hset('hash', Object.fromEntries([...wanted].map((key) => [key, 1])));
  const fields = new Set();
  for await (const list of two.hscanStream('hash')) list.forEach((x, i) => i % 2 || fields.add(x));
  assert.deepEqual(fields, wanted);
  await one.zadd('z', 1, 'a', 2.5, 'b');
  assert.deepEqual(await two.zrange('z', 0, -1, 'WITHSCORES'), ['a', '1', 'b', '2.5']);
  const bytes = Buffer.from(Array.from({ length: 256 }, (_, i) => i));
  await one.set(bytes, bytes);
  assert.ok(bytes.equals(await two.getBuffer(bytes)));
}

async function waitAndListen([one, two]) {
  const waiter = two.duplicate();
  const popped = waiter.blpop('nothing', 'soon', 0);
  await until('a client waits', async () => /blocked_clients:1/.test(await one.info('clients')));
  assert.equal(await one.rpush('soon', 'x'), 1);
  assert.deepEqual(await popped, ['soon', 'x']);
  assert.equal(await waiter.blpop('nothing', 0.05), null);
  await one.zadd('zsoon', 3, 'm');
  assert.deepEqual(await waiter.bzpopmin('zsoon', 1), ['zsoon', 'm', '3']);

  const ear = two.duplicate();
  const heard = [];
  ear.on('message', (channel, message) => heard.push([channel, message]));
  ear.on('pmessage', (pattern, channel, message) => heard.push([pattern, channel, message]));
  assert.equal(await ear.subscribe('news', 'other'), 2);
  assert.equal(await ear.psubscribe('n*'), 3);
  one.defineCommand('tellall', { numberOfKeys: 0, lua: "return redis.call('PUBLISH', ARGV[1], ARGV[2])" });
  assert.equal(await one.publish('news', '1'), 2);
  assert.equal(await one.tellall('news', '2'), 2);
  await until('messages', () => heard.length === 4);
  assert.deepEqual(heard, [['news', '1'], ['n*', 'news', '1'], ['news', '2'], ['n*', 'news', '2']]);
  await ear.unsubscribe('news', 'other');
  await ear.punsubscribe('n*');
  assert.equal(await ear.get('nosuch'), null);

  const eye = await two.monitor();
  const seen = new Promise((resolve) => eye.on('monitor', (time, args) => args[0] === 'echo' && resolve(args[1])));
  await one.echo('seen');
  assert.equal(await seen, 'seen');
}

run('ioredis', async () => {
  const clients = await connectToTwoWorkers();
  for (const part of [ownCommands, pipelines, iterate, waitAndListen]) await part(clients);
  for (const c of clients) assert.equal(await c.quit(), 'OK');
});
