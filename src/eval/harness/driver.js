// Runs a program and its tests, as `driver.js SOLUTION TEST`, and writes what became of them to
// standard output: the line that it was given on standard input, followed by one word. Both run in
// the global scope, as scripts of a page do. `console.assert` notes what fails, and a program
// cannot replace it.
'use strict';
(() => {
  const fs = require('fs');
  const vm = require('vm');
  const nonce = fs.readFileSync(0, 'utf8').trim();
  const write = fs.writeSync;
  const words = { passed: `\n${nonce} passed\n`, failed: `\n${nonce} wrong_answer\n` };
  const errors = {
    compile: `\n${nonce} compile_error\n`,
    wrong: words.failed,
    exception: `\n${nonce} exception\n`,
  };
  let state = 'running';
  let asserted = true;
  const { error } = console;
  const check = (ok, ...about) => {
    if (!ok) {
      asserted = false;
      error('Assertion failed', ...about);
    }
  };
  Object.defineProperty(console, 'assert', { value: check, writable: false, configurable: false });
  Object.defineProperty(globalThis, 'console', { value: console, writable: false, configurable: false });
  const give = { require, module, exports: module.exports };
  for (const name of Object.keys(give)) globalThis[name] = give[name];
  process.on('exit', (code) => {
    if (state === 'finished') write(1, asserted && code === 0 ? words.passed : words.failed);
  });
  const AssertionError = require('assert').AssertionError;
  const paths = process.argv.splice(2, 2);
  let parts;
  try {
    parts = paths.map((path) => new vm.Script(fs.readFileSync(path, 'utf8'), { filename: path }));
  } catch (e) {
    error(String(e));
    write(1, errors.compile);
    process.exitCode = 1;
    return;
  }
  const RealError = Error;
  try {
    for (const part of parts) part.runInThisContext();
    state = 'finished';
  } catch (e) {
    state = 'failed';
    try {
      error(e instanceof RealError ? `${e.name}: ${e.message}` : `thrown: ${String(e)}`);
    } catch {
      error('thrown');
    }
    write(1, e instanceof AssertionError ? errors.wrong : errors.exception);
    process.exitCode = 1;
  }
})();
