// Command pack makes the zip that is deployed: the named files, and those of named folders, under
// their own names and the handler, executable, as "handler". Timestamps are fixed, so the same input gives
// the same bytes.
package main

import (
	"archive/zip"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

func main() {
	out := flag.String("o", "", "the zip to write")
	handler := flag.String("handler", "", "the handler's binary")
	flag.Parse()
	if err := pack(*out, *handler, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "pack:", err)
		os.Exit(1)
	}
}

func pack(out, handler string, files []string) (err error) {
	f, err := os.Create(out)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	z := zip.NewWriter(f)
	if err := add(z, handler, "handler", 0o755); err != nil {
		return err
	}
	for _, name := range files {
		err := filepath.WalkDir(name, func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() {
				return err
			}
			return add(z, path, filepath.ToSlash(path), 0o644)
		})
		if err != nil {
			return err
		}
	}
	return z.Close()
}

func add(z *zip.Writer, path, name string, mode fs.FileMode) error {
	src, err := os.Open(path)
	if err != nil {
		return err
	}
	defer src.Close()
	header := &zip.FileHeader{Name: name, Method: zip.Deflate, Modified: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
	header.SetMode(mode)
	w, err := z.CreateHeader(header)
	if err != nil {
		return err
	}
	_, err = io.Copy(w, src)
	return err
}
