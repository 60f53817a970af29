/**
 * The verifier that lies in each pack as one file: it needs Debian's `python3` and `openssl` and nothing of ours. It is
 * written apart from our own verifier on purpose; a test holds both against the same packs.
 */

/** What both verifiers are made of: hashes, notes, checkpoints, inclusion. */
export const PROOF_CHECKS = String.raw`import base64, hashlib, hmac, json, os, re, subprocess, sys, tempfile


class Refused(Exception):
    pass


def sha256(data):
    return hashlib.sha256(data).digest()


def b64(text):
    data = base64.b64decode(text, validate=True)
    if base64.b64encode(data).decode() != text:
        raise Refused('base64 that is not canonical')
    return data


def b64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b'=').decode()


def from_b64url(text):
    data = base64.urlsafe_b64decode(text + '=' * (-len(text) % 4))
    if b64url(data) != text:
        raise Refused('base64url that is not canonical')
    return data


def read(path):
    try:
        with open(path, 'rb') as file:
            return file.read()
    except FileNotFoundError:
        raise Refused(path + ' is missing')


def parse_vkey(vkey):
    name, key_id, encoded = vkey.split('+', 2)
    data = b64(encoded)
    if len(data) != 33 or data[0] != 1:
        raise Refused('the key is no Ed25519 key of a log')
    if sha256(name.encode() + b'\n' + data).hex()[:8] != key_id:
        raise Refused('the key does not have its own id')
    return name, bytes.fromhex(key_id), data[1:]


def ed25519(public, text, signature):
    pem = '-----BEGIN PUBLIC KEY-----\n%s\n-----END PUBLIC KEY-----\n' % base64.b64encode(
        bytes.fromhex('302a300506032b6570032100') + public).decode()
    with tempfile.TemporaryDirectory() as folder:
        for name, data in (('key', pem.encode()), ('text', text), ('sig', signature)):
            with open(os.path.join(folder, name), 'wb') as file:
                file.write(data)
        try:
            done = subprocess.run(
                ['openssl', 'pkeyutl', '-verify', '-pubin', '-inkey', 'key', '-rawin', '-in', 'text', '-sigfile', 'sig'],
                cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        except FileNotFoundError:
            could_not_run('the program openssl is needed')
        return done.returncode == 0


def could_not_run(why):
    print('could not run: ' + why, file=sys.stderr)
    sys.exit(2)


def open_note(note, vkey, what):
    name, key_id, public = parse_vkey(vkey)
    split = note.rfind(b'\n\n')
    if split < 0:
        raise Refused(what + ' is no signed note')
    text, lines = note[:split + 1], note[split + 2:].decode().splitlines()
    for line in lines:
        match = re.fullmatch('\u2014 ([^ ]+) ([^ ]+)', line)
        if not match:
            raise Refused(what + ' has a line that is no signature')
        data = b64(match.group(2))
        if match.group(1) == name and data[:4] == key_id:
            if not ed25519(public, text, data[4:]):
                raise Refused(what + ': the signature is not that of the key')
            return text
    raise Refused(what + ' is not signed by the key')


def checkpoint(note, vkey, what):
    lines = open_note(note, vkey, what).decode().split('\n')
    if len(lines) < 4 or lines[0] != parse_vkey(vkey)[0] or not re.fullmatch('0|[1-9][0-9]*', lines[1]):
        raise Refused(what + ' is no checkpoint of this log')
    return lines[0], int(lines[1]), b64(lines[2])


def leaf(entry):
    return sha256(b'\x00' + entry)


def node(left, right):
    return sha256(b'\x01' + left + right)


def root_of(hashes):
    edge = []
    for i, h in enumerate(hashes):
        n = i
        while n % 2 == 1:
            h = node(edge.pop(), h)
            n //= 2
        edge.append(h)
    if not edge:
        return sha256(b'')
    root = edge.pop()
    while edge:
        root = node(edge.pop(), root)
    return root


def included(index, size, leaf_hash, proof, root):
    if index >= size:
        return False
    fn, sn, r = index, size - 1, leaf_hash
    for p in proof:
        if sn == 0:
            return False
        if fn % 2 == 1 or fn == sn:
            r = node(p, r)
            while fn % 2 == 0 and fn != 0:
                fn, sn = fn // 2, sn // 2
        else:
            r = node(r, p)
        fn, sn = fn // 2, sn // 2
    return sn == 0 and r == root`

/** In each pack. */
export const VERIFIER = String.raw`#!/usr/bin/env python3
"""Checks an evidence pack offline, with the standard library of python3 and the program openssl.

    python3 verify/verify.py [PACK-FOLDER] [--vkey KEY]

Give the log's key as it came to you by another way; without it the pack's own word is taken, and said so.
Exit 0: verified. 1: does not verify, with the reason. 2: could not run.
"""
${PROOF_CHECKS}


def tile_path(index, width):
    digits = str(index)
    digits = digits.zfill((len(digits) + 2) // 3 * 3)
    groups = [digits[i:i + 3] for i in range(0, len(digits), 3)]
    path = '/'.join(['x' + g for g in groups[:-1]] + groups[-1:])
    return path if width == 256 else '%s.p/%d' % (path, width)


def entries_of(pack, size):
    entries = []
    for index in range((size + 255) // 256):
        width = min(256, size - index * 256)
        path = os.path.join(pack, 'log/tile/entries', tile_path(index, width))
        data, at = read(path), 0
        for _ in range(width):
            length = int.from_bytes(data[at:at + 2], 'big')
            if len(data) < at + 2 + length:
                raise Refused(path + ' is cut')
            entries.append(data[at + 2:at + 2 + length])
            at += 2 + length
        if at != len(data):
            raise Refused(path + ' is too long')
    return entries


def check_files(pack, manifest):
    named = {file['path']: file for file in manifest['files']}
    for folder, _, names in os.walk(pack):
        for name in names:
            path = os.path.relpath(os.path.join(folder, name), pack).replace(os.sep, '/')
            if path not in named and path not in ('manifest.json', 'manifest.note'):
                raise Refused('the manifest names no file ' + path)
    for path, file in named.items():
        if '..' in path.split('/') or path.startswith('/'):
            raise Refused('the manifest names a file outside of the pack')
        data = read(os.path.join(pack, path))
        if len(data) != file['bytes'] or sha256(data).hex() != file['sha256']:
            raise Refused(path + ' is not the file that the manifest names')


def check_proof(pack, n, entry, vkey, size_and_root):
    path = os.path.join(pack, 'entries/%d.tlog-proof' % n)
    head, note = read(path).split(b'\n\n', 1)
    lines = head.decode().split('\n')
    if lines[:2] != ['c2sp.org/tlog-proof@v1', 'index %d' % n]:
        raise Refused(path + ' is no proof of this entry')
    if checkpoint(note, vkey, path)[1:] != size_and_root:
        raise Refused(path + ' is made for another checkpoint')
    if not included(n, size_and_root[0], leaf(entry), [b64(line) for line in lines[2:]], size_and_root[1]):
        raise Refused(path + ' does not show that the entry is in the log')


def check_disclosures(pack, n, entry):
    path = os.path.join(pack, 'disclosures/%d.json' % n)
    if not os.path.exists(path):
        return {}
    digests, fields = json.loads(entry).get('_sd', []), {}
    for text in json.loads(read(path)):
        if b64url(sha256(text.encode('ascii'))) not in digests:
            raise Refused(path + ' has a field that the entry does not commit to')
        salt, name, value = json.loads(from_b64url(text))
        if name in fields:
            raise Refused(path + ' has a field twice')
        fields[name] = value
    return fields


def bears(entry, key):
    return any(hmac.compare_digest(
        hmac.new(key, b'subject-tag/v1' + from_b64url(tag['n']), hashlib.sha256).digest()[:16], from_b64url(tag['k']))
        for tag in json.loads(entry).get('tags', []))


def names(folder):
    return sorted(os.listdir(folder)) if os.path.isdir(folder) else []


def verify(pack, vkey):
    text = read(os.path.join(pack, 'manifest.json'))
    manifest = json.loads(text)
    signed = open_note(read(os.path.join(pack, 'manifest.note')), vkey, 'manifest.note').decode()
    if signed != '%s\necluse-pack/v1\n%s\nsha256:%s\n' % (manifest['origin'], manifest['pack'], sha256(text).hex()):
        raise Refused('manifest.note signs another manifest')
    check_files(pack, manifest)

    origin, size, root = checkpoint(read(os.path.join(pack, 'log/checkpoint')), vkey, 'log/checkpoint')
    if (origin, size) != (manifest['origin'], manifest['size']):
        raise Refused('the manifest speaks of another log')
    log = entries_of(pack, size)
    if root_of([leaf(entry) for entry in log]) != root:
        raise Refused('the entries of the log are not those that were signed')
    numbers = sorted(int(name[:-5]) for name in names(os.path.join(pack, 'entries')) if name.endswith('.json'))
    packed, documents, fields = set(numbers), set(), 0
    for n in numbers:
        entry = read(os.path.join(pack, 'entries/%d.json' % n))
        if n >= size or entry != log[n]:
            raise Refused('entries/%d.json is not the entry of the log' % n)
        check_proof(pack, n, entry, vkey, (size, root))
        opened = check_disclosures(pack, n, entry)
        fields += len(opened)
        documents.update(opened.get('attachments', []))
    for path in (file['path'] for file in manifest['files']):
        if re.match('consents/[^/]+/documents/', path) and sha256(read(os.path.join(pack, path))).hex() not in documents:
            raise Refused(path + ': no entry names a document with this hash')
        match = re.fullmatch(r'policies/([0-9a-f]{64})\.json', path)
        if match and sha256(read(os.path.join(pack, path))).hex() != match.group(1):
            raise Refused(path + ' is another policy')
    tagged = names(os.path.join(pack, 'tags'))
    for name in tagged:
        key = bytes.fromhex(json.loads(read(os.path.join(pack, 'tags', name)))['tagKey'])
        for n, entry in enumerate(log):
            if n not in packed and bears(entry, key):
                raise Refused('entry %d is about the subject of tags/%s and is not in the pack' % (n, name))
    print('verified: %d files, %d entries of a log of %d, %d sealed fields, %d subjects complete' % (
        len(manifest['files']), len(numbers), size, fields, len(tagged)))


def main(words):
    vkey, rest = None, []
    while words:
        word = words.pop(0)
        if word == '--vkey' and words:
            vkey = words.pop(0)
        elif word.startswith('--vkey='):
            vkey = word[7:]
        elif word.startswith('-') or rest:
            could_not_run(__doc__)
        else:
            rest.append(word)
    pack = rest[0] if rest else '.'
    if not os.path.isdir(pack):
        could_not_run(pack + ' is no folder')
    try:
        if vkey is None:
            vkey = read(os.path.join(pack, 'log/vkey.txt')).decode().strip()
            print("no key given: the pack's own is taken, which proves nothing against whoever made it")
        verify(pack, vkey)
    except Refused as why:
        print('does not verify: %s' % why)
        sys.exit(1)
    except (ValueError, KeyError, TypeError, IndexError, AttributeError) as why:
        print('does not verify: a file is not of its form (%s)' % type(why).__name__)
        sys.exit(1)
    except OSError as why:
        could_not_run(str(why))


if __name__ == '__main__':
    main(sys.argv[1:])
`
