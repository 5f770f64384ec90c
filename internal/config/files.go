package config

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
)

const (
	// maxTotal bounds the files of a configuration together, in bytes, and maxApps their
	// number and that of the apps in them.
	maxTotal = 16 << 20
	maxApps  = 20_000
)

// File is one file of a configuration.
type File struct {
	// Name is "" for bluegreen.yaml, and for others the path from where that is, with slashes.
	Name string
	Text string
	// Wrong is why the file is not read; "" when it is.
	Wrong string
}

// Read reads the file at path and those of the folder beside it: of bluegreen.yaml, the files
// bluegreen.d/*.yaml in the order of their names. An error means that there is no file at path
// to read.
func Read(path string) ([]File, error) {
	text, err := readFile(path)
	if err != nil {
		return nil, err
	}
	files, total := []File{{Text: text}}, len(text)
	folder := Folder(path)
	names, err := os.ReadDir(folder)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return append(files, File{Name: filepath.Base(folder), Wrong: fmt.Sprintf("the folder cannot be read: %v", err)}), nil
	}
	for _, entry := range names {
		f := File{Name: filepath.Base(folder) + "/" + entry.Name()}
		switch ext := filepath.Ext(entry.Name()); {
		case strings.HasPrefix(entry.Name(), ".") || entry.IsDir():
			continue
		case ext == ".yml":
			f.Wrong = "is not read: its name has to end in .yaml"
		case ext != ".yaml":
			continue
		case total > maxTotal: // refused as a whole
			return files, nil
		default:
			if f.Text, err = readFile(filepath.Join(folder, entry.Name())); err != nil {
				f.Wrong = fmt.Sprintf("cannot be read: %v", err)
			}
		}
		total += len(f.Text)
		files = append(files, f)
	}
	return files, nil
}

// Folder is where the files beside a bluegreen.yaml are: its path with .d in the place of .yaml.
func Folder(path string) string { return strings.TrimSuffix(path, filepath.Ext(path)) + ".d" }

// readFile reads no more of a file than it takes to see that it is too large.
func readFile(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxBytes+1))
	return string(text), err
}

// Load reads a bluegreen.yaml that has no other files.
func Load(text []byte) (*Config, error) { return LoadFiles([]File{{Text: string(text)}}) }

// part is what a file of the folder has.
type part struct {
	Templates map[string]Template `key:"templates" keys:"name"`
	Apps      []App               `key:"apps"`
}

// LoadFiles reads a configuration of which bluegreen.yaml is the first file. An error of type
// Problems means that nothing of it can be used, and names every mistake. Mistakes of one app
// are else in that app's Problems, those of templates and of the other files in the Config's.
func LoadFiles(files []File) (*Config, error) {
	if wrong := tooMany(files); wrong != "" {
		return nil, Problems{{Line: 1, Column: 1, Message: wrong}}
	}
	var c Config
	fill(reflect.ValueOf(&c.Defaults).Elem())
	l := &loader{tags: map[string]*Tags{}}
	main := &reader{loader: l, at: map[string]place{}, defaults: &c.Defaults, blueprints: map[string]*blueprint{}}
	whole := main.file(files[0], &c)
	if main.root == (place{}) { // nothing could be read
		return nil, Problems(whole)
	}
	for _, f := range files[1:] {
		p := part{}
		r := &reader{loader: l, name: f.Name, at: map[string]place{}, first: len(c.Apps), defaults: &c.Defaults, blueprints: map[string]*blueprint{}, shared: main.blueprints}
		known := len(l.claims)
		if wrong := r.file(f, &p); len(wrong) > 0 {
			c.Problems, c.Out = append(c.Problems, wrong...), append(c.Out, f.Name)
			l.claims = l.claims[:known]
			continue
		}
		c.Apps = append(c.Apps, p.Apps...)
		c.Problems = append(c.Problems, r.mistaken()...)
	}
	report := func(path, format string, args ...any) {
		whole = append(whole, main.problem(main.root, path, format, args...))
	}
	if len(c.Apps) == 0 && len(c.Out) == 0 && !main.given("apps") {
		report("apps", "is missing: the apps that are released")
	}
	if len(c.Apps) > maxApps {
		report("", "the configuration has %d apps, more than the %d that are read", len(c.Apps), maxApps)
	}
	if l.made > maxMade {
		report("", "the templates make more than the %d bytes that they may: lists with parameters are made for each app anew", maxMade)
	}
	whole = append(whole, main.checkNotify(&c)...)
	l.compare(c.Apps)
	c.Problems = append(main.mistaken(), c.Problems...)
	if len(whole) > 0 {
		for _, a := range c.Apps {
			whole = append(whole, a.Problems...)
		}
		whole = append(whole, c.Problems...)
		inOrder(whole)
		return nil, Problems(whole)
	}
	for _, a := range c.Apps {
		inOrder(a.Problems)
	}
	return &c, nil
}

func tooMany(files []File) string {
	total := 0
	for _, f := range files {
		total += len(f.Text)
	}
	switch {
	case len(files) > maxApps:
		return fmt.Sprintf("the configuration has %d files, more than the %d that are read", len(files), maxApps)
	case total > maxTotal:
		return fmt.Sprintf("the files have more than the %d bytes that are read of them together: what apps share goes into a template", maxTotal)
	}
	return ""
}

func inOrder(p []Problem) {
	slices.SortStableFunc(p, func(a, b Problem) int {
		if a.File != b.File {
			return strings.Compare(a.File, b.File)
		}
		return a.Line - b.Line
	})
}
