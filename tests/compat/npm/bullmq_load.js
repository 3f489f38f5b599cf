// bullmq's scripts load: its Lua files, with what they include put in by its makers. Running them needs streams.
'use strict';
const assert = require('assert');
const crypto = require('crypto');
const fs = require('fs');
const path = require('path');
const scripts = require('bullmq/dist/cjs/scripts');
const { connectToTwoWorkers, run } = require('./common');

run('bullmq', async () => {
  const [one, two] = await connectToTwoWorkers();
  const folder = path.join(path.dirname(require.resolve('bullmq')), 'commands');
  const files = fs.readdirSync(folder).filter((f) => f.endsWith('.lua'));
  assert.ok(files.length > 40);
  assert.equal(Object.keys(scripts).length, files.length);
  const digests = [];
  for (const { name, content } of Object.values(scripts)) {
    const digest = crypto.createHash('sha1').update(content).digest('hex');
    assert.equal(await one.script('LOAD', content), digest, name);
    digests.push(digest);
  }
  assert.deepEqual(await two.script('EXISTS', ...digests), digests.map(() => 1));
});
