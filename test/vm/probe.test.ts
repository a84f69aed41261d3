import test from 'node:test';
import fs from 'node:fs';
import { execFileSync } from 'node:child_process';
test('hello', () => { console.log(fs.readFileSync('/proc/uptime','utf8'), process.uptime()); console.log(execFileSync('sh',['-c','uname -r; cat /proc/modules | wc -l; ls /dev/vd*; dmsetup targets; free -m; dmesg | tail -5']).toString()) });
test('skipped', {skip: 'because'}, () => {});
test.describe('suite', () => { test('inner', () => { throw new Error('bad') }) });
test('time', async () => { let t = performance.now(); execFileSync('true'); console.log('spawn', performance.now()-t); t = performance.now(); await import('../../src/host/index.ts'); console.log('import host', performance.now()-t);
 t=performance.now(); const {syncFile,hasLibc}=await import('../../src/host/index.ts'); hasLibc(); console.log('koffi', performance.now()-t); });
