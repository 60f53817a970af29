/**
 * Ends the process without closing anything.
 *
 * After a commit or an fsync that failed, closing a database would fold its WAL in and delete it, with an fsync that may
 * lie this time: the one good copy of what was acknowledged would be gone. `process.exit` closes every database of every
 * thread. Another program in this one's place closes none: the kernel takes the files away as after a crash, and the
 * next start recovers from them.
 */
export function halt(status: 1 | 2): never {
  try {
    process.execve?.(process.execPath, [process.execPath, '--eval', `process.exitCode = ${status}`], {})
  } catch (error) {
    process.stderr.write(`ecluse: ${error instanceof Error ? error.message : 'unknown'}\n`)
  }
  // No such call on this system. A crash is what it has to be; its status then tells less.
  process.kill(process.pid, 'SIGKILL')
  throw new Error('killed')
}
