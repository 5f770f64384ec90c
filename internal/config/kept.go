package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
)

// Kept is the last good configuration: what goes on serving while the present files, or an
// app in them, have mistakes. It keeps texts, so that another version reads them by its own rules.
type Kept struct {
	// Files are the last files of which bluegreen.yaml could be used as a whole, without those
	// others that could not.
	Files []File
	// Earlier has the last good configuration of apps with mistakes in Files, and of apps whose
	// file is not in Files because of one.
	Earlier []Past
}

// Past are the files in which some apps last had no mistakes: bluegreen.yaml, and their own.
type Past struct {
	Files []File
	Apps  []string
}

// written is the JSON of a Kept. Each text is there once; files name it by its index. File and
// Apps are what versions before those of several files wrote: the one file, and others by app.
type written struct {
	Texts   []string          `json:"texts,omitempty"`
	Files   []writtenFile     `json:"files,omitempty"`
	Past    []writtenPast     `json:"past,omitempty"`
	File    string            `json:"file,omitempty"`
	Earlier map[string]string `json:"earlier,omitempty"`
}

type writtenFile struct {
	Name string `json:"name,omitempty"`
	Text int    `json:"text"`
}

type writtenPast struct {
	Files []writtenFile `json:"files"`
	Apps  []string      `json:"apps"`
}

// EncodeKept writes a Kept as JSON.
func EncodeKept(k Kept) ([]byte, error) {
	var w written
	index := map[string]int{}
	write := func(files []File) (list []writtenFile) {
		for _, f := range files {
			at, known := index[f.Text]
			if !known {
				at, index[f.Text] = len(w.Texts), len(w.Texts)
				w.Texts = append(w.Texts, f.Text)
			}
			list = append(list, writtenFile{f.Name, at})
		}
		return list
	}
	w.Files = write(k.Files)
	for _, p := range k.Earlier {
		w.Past = append(w.Past, writtenPast{write(p.Files), p.Apps})
	}
	return json.Marshal(w)
}

// DecodeKept reads what EncodeKept wrote, in this version or an earlier one.
func DecodeKept(data []byte) (Kept, error) {
	var w written
	if err := json.Unmarshal(data, &w); err != nil {
		return Kept{}, fmt.Errorf("read the configuration that was kept: %w", err)
	}
	var wrong error
	read := func(list []writtenFile) (files []File) {
		for _, f := range list {
			if f.Text < 0 || f.Text >= len(w.Texts) {
				wrong = fmt.Errorf("read the configuration that was kept: it has no text %d", f.Text)
				return nil
			}
			files = append(files, File{Name: f.Name, Text: w.Texts[f.Text]})
		}
		return files
	}
	k := Kept{Files: read(w.Files)}
	for _, p := range w.Past {
		k.Earlier = append(k.Earlier, Past{read(p.Files), p.Apps})
	}
	if w.File != "" {
		k.Files = []File{{Text: w.File}}
	}
	for _, name := range slices.Sorted(maps.Keys(w.Earlier)) {
		k.Earlier = append(k.Earlier, Past{[]File{{Text: w.Earlier[name]}}, []string{name}})
	}
	if wrong != nil {
		return Kept{}, wrong
	}
	return k, nil
}

// With is what to keep once files are there; now is what they come to, nil where they cannot be
// used, which changes nothing.
func (k Kept) With(files []File, now *Config) Kept {
	if now == nil {
		return k
	}
	var next Kept
	for _, f := range files {
		if !slices.Contains(now.Out, f.Name) {
			next.Files = append(next.Files, f)
		}
	}
	for _, found := range k.lastGood(now) {
		next.Earlier = append(next.Earlier, found.past)
	}
	return next
}

// good are apps without mistakes, and where they are.
type good struct {
	past Past
	apps []App
}

// lastGood finds the last good configuration of each app that has mistakes now, and of each whose
// file cannot be used now.
func (k Kept) lastGood(now *Config) (list []good) {
	if len(now.Out) == 0 && !slices.ContainsFunc(now.Apps, func(a App) bool { return len(a.Problems) > 0 }) {
		return nil
	}
	wanted := map[string]bool{} // false: it is good, or found
	for _, a := range now.Apps {
		wanted[a.Name] = len(a.Problems) > 0
	}
	for at, past := range append([]Past{{Files: k.Files}}, k.Earlier...) {
		if len(past.Files) == 0 {
			continue
		}
		c, err := LoadFiles(past.Files)
		if err != nil {
			continue
		}
		found, of := good{}, map[string]bool{"": true}
		for _, a := range c.Apps {
			want, known := wanted[a.Name]
			switch {
			case len(a.Problems) > 0, at > 0 && !slices.Contains(past.Apps, a.Name), known && !want:
			case known || slices.Contains(now.Out, a.File):
				wanted[a.Name], of[a.File] = false, true
				found.apps, found.past.Apps = append(found.apps, a), append(found.past.Apps, a.Name)
			}
		}
		for _, f := range past.Files {
			if of[f.Name] && len(found.apps) > 0 {
				found.past.Files = append(found.past.Files, f)
			}
		}
		if len(found.apps) > 0 {
			list = append(list, found)
		}
	}
	return list
}

// errNoneKept means that no file was kept that could be used.
var errNoneKept = errors.New("no earlier configuration that can be used is kept")

// Restore is the configuration to serve with while the present one cannot be used, for the
// reasons in problems. All of its apps are Held.
func (k Kept) Restore(problems []string) (*Config, error) {
	if len(k.Files) == 0 {
		return nil, errNoneKept
	}
	c, err := LoadFiles(k.Files)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errNoneKept, err)
	}
	c = k.Complete(c)
	for i := range c.Apps {
		if len(c.Apps[i].Problems) == 0 {
			c.Apps[i].Held = append(c.Apps[i].Held, problems...)
		}
	}
	return c, nil
}

// Complete puts in the place of each app with mistakes its last good configuration, Held, and
// adds those of the files that are Out, unless another app has since taken what they name.
func (k Kept) Complete(from *Config) *Config {
	earlier := k.lastGood(from)
	if len(earlier) == 0 {
		return from
	}
	c := *from
	c.Apps = slices.Clone(from.Apps)
	taken, at, out := map[string]bool{}, map[string]int{}, map[string][]string{}
	for i := range c.Apps {
		at[c.Apps[i].Name] = i
		if len(c.Apps[i].Problems) == 0 {
			take(taken, &c.Apps[i])
		}
	}
	for _, p := range c.Problems {
		if slices.Contains(c.Out, p.File) {
			out[p.File] = append(out[p.File], p.String())
		}
	}
	for _, found := range earlier {
		for _, a := range found.apps {
			if slices.ContainsFunc(claims(&a), func(c claim) bool { return taken[c.key()] }) {
				continue
			}
			take(taken, &a)
			i, known := at[a.Name]
			if known {
				a.File, a.Line, a.Column, a.Held = c.Apps[i].File, c.Apps[i].Line, c.Apps[i].Column, c.Apps[i].Sentences()
				c.Apps[i] = a
				continue
			}
			a.Held = out[a.File]
			c.Apps = append(c.Apps, a)
			c.Out = slices.DeleteFunc(slices.Clone(c.Out), func(file string) bool { return file == a.File })
		}
	}
	return &c
}

func take(taken map[string]bool, a *App) {
	for _, c := range claims(a) {
		taken[c.key()] = true
	}
}
