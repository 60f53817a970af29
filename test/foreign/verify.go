// Verifies a log directory with nothing of this project: Go's own golang.org/x/mod/sumdb/note and tlog, as Debian
// packages them (golang-go, golang-golang-x-mod-dev).
//
//	GO111MODULE=off GOPATH=/usr/share/gocode go build -o verify verify.go
//	verify LOG-DIRECTORY VKEY
//
// The checkpoint's signature is checked, every entry by an inclusion proof made of the tiles and checked against the
// signed root (tlog.TileHashReader alone does not do: in x/mod 0.7.0 it lets some tiles pass unchecked), and each kept
// checkpoint by a consistency proof. Exit 0: verified. 1: does not verify, with the reason. 2: could not run.
package main

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const height = 8
const width = 1 << height

type dirReader struct {
	dir   string
	saved map[tlog.Tile][]byte
	last  tlog.Tile
}

func (r *dirReader) Height() int { return height }

func (r *dirReader) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	data := make([][]byte, len(tiles))
	for i, t := range tiles {
		if known, ok := r.saved[t]; ok {
			data[i] = known
			continue
		}
		b, err := read(r.dir, t, tilePath(t))
		if err != nil {
			return nil, err
		}
		if len(b) < t.W*tlog.HashSize {
			return nil, fmt.Errorf("%s is too short", tilePath(t))
		}
		data[i] = b
	}
	return data, nil
}

// Remembers all levels above the leaves, and of these the last tile: entries are asked for in order.
func (r *dirReader) SaveTiles(tiles []tlog.Tile, data [][]byte) {
	for i, t := range tiles {
		if t.L == 0 && r.last != t {
			delete(r.saved, r.last)
			r.last = t
		}
		r.saved[t] = data[i]
	}
}

// Go's paths carry the height, C2SP's do not.
func tilePath(t tlog.Tile) string { return strings.Replace(t.Path(), "tile/8/", "tile/", 1) }

func entriesPath(t tlog.Tile) string {
	return strings.Replace(tilePath(t), "tile/0/", "tile/entries/", 1)
}

// read gives a tile, or where a partial one is gone the beginning of the full one.
func read(dir string, t tlog.Tile, path string) ([]byte, error) {
	b, err := os.ReadFile(filepath.Join(dir, path))
	if os.IsNotExist(err) && t.W < width {
		b, err = os.ReadFile(filepath.Join(dir, path[:strings.Index(path, ".p/")]))
		if err == nil && t.L == 0 && strings.HasPrefix(path, "tile/0/") && len(b) == width*tlog.HashSize {
			b = b[:t.W*tlog.HashSize]
		}
		return b, err
	}
	if err == nil && !strings.HasPrefix(path, "tile/entries/") && len(b) != t.W*tlog.HashSize {
		return nil, fmt.Errorf("%s has %d bytes", path, len(b))
	}
	return b, err
}

func openCheckpoint(file string, verifier note.Verifier) (tlog.Tree, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return tlog.Tree{}, err
	}
	n, err := note.Open(b, note.VerifierList(verifier))
	if err != nil {
		return tlog.Tree{}, fmt.Errorf("%s: %v", file, err)
	}
	lines := strings.Split(n.Text, "\n")
	if len(lines) < 4 || lines[0] != verifier.Name() {
		return tlog.Tree{}, fmt.Errorf("%s is no checkpoint of %s", file, verifier.Name())
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil || size < 0 || strconv.FormatInt(size, 10) != lines[1] {
		return tlog.Tree{}, fmt.Errorf("%s has no size", file)
	}
	root, err := base64.StdEncoding.DecodeString(lines[2])
	if err != nil || len(root) != tlog.HashSize {
		return tlog.Tree{}, fmt.Errorf("%s has no root", file)
	}
	tree := tlog.Tree{N: size}
	copy(tree.Hash[:], root)
	return tree, nil
}

func splitBundle(b []byte, n int) ([][]byte, error) {
	entries := make([][]byte, 0, n)
	for len(entries) < n {
		if len(b) < 2 || len(b) < 2+int(binary.BigEndian.Uint16(b)) {
			return nil, fmt.Errorf("a bundle is cut")
		}
		end := 2 + int(binary.BigEndian.Uint16(b))
		entries = append(entries, b[2:end])
		b = b[end:]
	}
	if len(b) > 0 && n == width {
		return nil, fmt.Errorf("a bundle has more bytes than entries")
	}
	return entries, nil
}

func checkEntries(dir string, tree tlog.Tree, hashes tlog.HashReader) error {
	for first := int64(0); first < tree.N; first += width {
		n := int(tree.N - first)
		if n > width {
			n = width
		}
		t := tlog.Tile{H: height, L: 0, N: first / width, W: n}
		b, err := read(dir, t, entriesPath(t))
		if err != nil {
			return err
		}
		entries, err := splitBundle(b, n)
		if err != nil {
			return fmt.Errorf("%s: %v", entriesPath(t), err)
		}
		for i, entry := range entries {
			index := first + int64(i)
			proof, err := tlog.ProveRecord(tree.N, index, hashes)
			if err != nil {
				return fmt.Errorf("entry %d: %v", index, err)
			}
			if err := tlog.CheckRecord(proof, tree.N, tree.Hash, index, tlog.RecordHash(entry)); err != nil {
				return fmt.Errorf("entry %d: %v", index, err)
			}
		}
	}
	return nil
}

func checkKept(dir string, verifier note.Verifier, tree tlog.Tree, hashes tlog.HashReader) (int, error) {
	kept, err := os.ReadDir(filepath.Join(dir, "checkpoints"))
	if err != nil && !os.IsNotExist(err) {
		return 0, err
	}
	for _, file := range kept {
		old, err := openCheckpoint(filepath.Join(dir, "checkpoints", file.Name()), verifier)
		if err != nil {
			return 0, err
		}
		if strconv.FormatInt(old.N, 10) != file.Name() {
			return 0, fmt.Errorf("checkpoints/%s is of size %d", file.Name(), old.N)
		}
		if old.N == 0 {
			continue
		}
		proof, err := tlog.ProveTree(tree.N, old.N, hashes)
		if err != nil {
			return 0, err
		}
		if err := tlog.CheckTree(proof, tree.N, tree.Hash, old.N, old.Hash); err != nil {
			return 0, fmt.Errorf("checkpoints/%s: %v", file.Name(), err)
		}
	}
	return len(kept), nil
}

func verify(dir string, verifier note.Verifier) (string, error) {
	tree, err := openCheckpoint(filepath.Join(dir, "checkpoint"), verifier)
	if err != nil {
		return "", err
	}
	hashes := tlog.TileHashReader(tree, &dirReader{dir: dir, saved: map[tlog.Tile][]byte{}})
	kept, err := checkKept(dir, verifier, tree, hashes)
	if err != nil {
		return "", err
	}
	if err := checkEntries(dir, tree, hashes); err != nil {
		return "", err
	}
	return fmt.Sprintf("verified: %d entries, %d kept checkpoints", tree.N, kept), nil
}

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: verify LOG-DIRECTORY VKEY")
		os.Exit(2)
	}
	if _, err := fs.Stat(os.DirFS(os.Args[1]), "."); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	verifier, err := note.NewVerifier(os.Args[2])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	report, err := verify(os.Args[1], verifier)
	if err != nil {
		fmt.Println("does not verify:", err)
		os.Exit(1)
	}
	fmt.Println(report)
}
