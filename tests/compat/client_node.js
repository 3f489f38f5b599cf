// Everyday use of node-redis (Debian's node-redis): it speaks in pipelines of its own making.
'use strict';
const assert = require('assert');
let redis;
try {
  redis = require('redis');
} catch (e) {
  console.error('client_node: node-redis is missing: apt-get install nodejs node-redis (' + e.message + ')');
  process.exit(1);
}

async function main() {
  const url = 'redis://127.0.0.1:' + process.env.SKEP_PORT;
  const scripts = {
    addto: redis.defineScript({
      NUMBER_OF_KEYS: 1,
      SCRIPT: "return redis.call('INCRBY', KEYS[1], ARGV[1])",
      transformArguments: (key, by) => [key, String(by)],
    }),
  };
  const c = redis.createClient({ url, name: 'node', scripts, socket: { connectTimeout: 20000 } });
  c.on('error', (e) => { console.error(e); process.exit(1); });
  await c.connect();

  assert.equal(await c.ping(), 'PONG');
  assert.equal(await c.set('k', 'v'), 'OK');
  assert.equal(await c.get('k'), 'v');
  assert.equal(await c.get('nosuch'), null);
  assert.equal(await c.set('k', 'w', { NX: true }), null);
  assert.equal(await c.set('k', 'w', { EX: 100, GET: true }), 'v');
  assert.ok((await c.ttl('k')) > 90);
  await assert.rejects(c.incr('k'), /not an integer/);
  assert.deepEqual(await c.mGet(['k', 'nosuch']), ['w', null]);
  assert.equal(await c.clientGetName(), 'node');

  const counts = await Promise.all(Array.from({ length: 2000 }, () => c.incr('n')));
  assert.deepEqual(counts, Array.from({ length: 2000 }, (_, i) => i + 1));

  // The library asks by digest, and sends the text when the server does not know it.
  assert.equal(await c.addto('n', 3), 2003);
  await c.scriptFlush();
  assert.equal(await c.addto('n', 3), 2006);
  assert.deepEqual(await c.multi().addto('n', 1).get('n').exec(), [2007, '2007']);
  assert.deepEqual(await c.eval('return {KEYS[1], ARGV[1]}', { keys: ['k'], arguments: ['a'] }), ['k', 'a']);
  const digest = await c.scriptLoad('return 7');
  assert.deepEqual(await c.scriptExists([digest, 'x']), [true, false]);
  assert.equal(await c.evalSha(digest), 7);

  const wanted = new Set();
  for (let i = 0; i < 300; i++) wanted.add('scan:' + i);
  await c.mSet([...wanted].map((key) => [key, 'v']));
  const seen = new Set();
  for await (const key of c.scanIterator({ MATCH: 'scan:*', COUNT: 40 })) seen.add(key);
  assert.deepEqual(seen, wanted);

  const bytes = Buffer.from(Array.from({ length: 256 }, (_, i) => i));
  await c.set('bin', bytes);
  assert.ok(bytes.equals(await c.get(redis.commandOptions({ returnBuffers: true }), 'bin')));

  const other = c.duplicate();
  await other.connect();
  await other.select(3);
  await other.set('in3', '1');
  assert.equal(await c.get('in3'), null);
  assert.equal(await other.addto('n', 2), 2);
  await other.quit();
  assert.match(await c.info('server'), /redis_version:7/);
  assert.equal(await c.flushAll(), 'OK');
  await c.quit();
  console.log('node-redis ok');
}

main().catch((e) => { console.error(e); process.exit(1); });
