/**
 * The program with which anybody checks one proof, or a folder of them: it needs `python3` and `openssl` and nothing of
 * ours. It lies in each person's download and can be had alone.
 */
import { PROOF_CHECKS } from './pack/verifier.ts'

export const PROOF_VERIFIER = String.raw`#!/usr/bin/env python3
"""Checks that entries are in a signed log, with the standard library of python3 and the program openssl.

    python3 verify.py --vkey KEY ENTRY.json ENTRY.tlog-proof
    python3 verify.py [--vkey KEY]... FOLDER

A folder is one that was downloaded from a person's page; each log has a key of its own. Give the log's key as it came to you by another way; without it
the folder's own word is taken, and said so. Exit 0: verified. 1: does not verify, with the reason. 2: could not run.
"""
${PROOF_CHECKS}


def check(entry_path, proof_path, vkey):
    entry = read(entry_path)
    parts = read(proof_path).split(b'\n\n', 1)
    lines = parts[0].decode().split('\n')
    match = re.fullmatch('index (0|[1-9][0-9]*)', lines[1]) if len(lines) > 1 else None
    if len(parts) != 2 or lines[0] != 'c2sp.org/tlog-proof@v1' or not match:
        raise Refused(proof_path + ' is no proof')
    origin, size, root = checkpoint(parts[1], vkey, proof_path)
    number = int(match.group(1))
    if json.loads(entry).get('n') != number:
        raise Refused(entry_path + ' has another number than its proof')
    if not included(number, size, leaf(entry), [b64(line) for line in lines[2:]], root):
        raise Refused(proof_path + ' does not show that ' + entry_path + ' is in the log')
    return '%s/%d' % (origin, number)


def check_fields(entry_path, fields_path):
    digests, known = json.loads(read(entry_path)).get('_sd', []), set()
    for text in json.loads(read(fields_path)):
        digest = b64url(sha256(text.encode('ascii')))
        if digest not in digests or digest in known:
            raise Refused(fields_path + ' has a field that the entry does not commit to')
        known.add(digest)
    return len(known)


def key_of(keys, proof_path):
    # One key for each log: the one whose name the checkpoint bears.
    origin = read(proof_path).split(b'\n\n', 1)[-1].split(b'\n', 1)[0].decode()
    for key in keys.split():
        if key.startswith(origin + '+'):
            return key
    raise Refused(proof_path + ' is of a log whose key is not given: ' + origin)


def check_folder(folder, keys):
    entries, fields, waiting = 0, 0, 0
    for base, _, names in sorted(os.walk(folder)):
        for name in sorted(names):
            match = re.fullmatch(r'([0-9]+)\.json', name)
            if not match or os.path.basename(base) != 'entries':
                continue
            path = os.path.join(base, match.group(1))
            if os.path.exists(path + '.disclosures.json'):
                fields += check_fields(path + '.json', path + '.disclosures.json')
            if not os.path.exists(path + '.tlog-proof'):
                waiting += 1
                continue
            check(path + '.json', path + '.tlog-proof', key_of(keys, path + '.tlog-proof'))
            entries += 1
    print('verified: %d entries, %d sealed fields; %d entries without a proof yet' % (entries, fields, waiting))


def main(words):
    vkey, rest = None, []
    while words:
        word = words.pop(0)
        if word == '--vkey' and words:
            vkey = (vkey or '') + ' ' + words.pop(0)
        elif word.startswith('-'):
            could_not_run(__doc__)
        else:
            rest.append(word)
    try:
        if len(rest) == 2 and vkey is not None:
            print('verified: ' + check(rest[0], rest[1], key_of(vkey, rest[1])))
        elif len(rest) == 1 and os.path.isdir(rest[0]):
            if vkey is None:
                vkey = read(os.path.join(rest[0], 'vkey.txt')).decode()
                print("no key given: the folder's own is taken, which proves nothing against whoever made it")
            check_folder(rest[0], vkey)
        else:
            could_not_run(__doc__)
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
