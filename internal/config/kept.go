package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
)

// Kept is the last good configuration: what goes on serving while the present file, or an
// app in it, has mistakes. It keeps texts, so that another version reads them by its own rules.
type Kept struct {
	// File is the last file that could be used as a whole.
	File string `json:"file"`
	// Earlier is, for each app with mistakes in File, the last file in which it had none.
	Earlier map[string]string `json:"earlier,omitempty"`
}

// EncodeKept writes a Kept as JSON.
func EncodeKept(k Kept) ([]byte, error) { return json.Marshal(k) }

// DecodeKept reads what EncodeKept wrote.
func DecodeKept(data []byte) (Kept, error) {
	var k Kept
	if err := json.Unmarshal(data, &k); err != nil {
		return Kept{}, fmt.Errorf("read the configuration that was kept: %w", err)
	}
	return k, nil
}

// With is what to keep once a file is there. A file that cannot be used as a whole changes nothing.
func (k Kept) With(file string) Kept {
	c, err := Load([]byte(file))
	if err != nil {
		return k
	}
	next := Kept{File: file}
	for _, a := range c.Apps {
		if earlier := k.lastOf(a.Name); len(a.Problems) > 0 && earlier != "" {
			if next.Earlier == nil {
				next.Earlier = map[string]string{}
			}
			next.Earlier[a.Name] = earlier
		}
	}
	return next
}

// lastOf is the last file in which an app had no mistakes; "" when none is kept.
func (k Kept) lastOf(name string) string {
	for _, file := range []string{k.File, k.Earlier[name]} {
		if _, ok := appIn(file, name); ok {
			return file
		}
	}
	return ""
}

func appIn(file, name string) (App, bool) {
	c, err := Load([]byte(file))
	if err != nil {
		return App{}, false
	}
	at := slices.IndexFunc(c.Apps, func(a App) bool { return a.Name == name && len(a.Problems) == 0 })
	if at < 0 {
		return App{}, false
	}
	return c.Apps[at], true
}

// errNoneKept means that no file was kept that could be used.
var errNoneKept = errors.New("no earlier configuration that can be used is kept")

// Restore is the configuration to serve with while the present file cannot be used, for the
// reasons in problems. All of its apps are Held.
func (k Kept) Restore(problems []string) (*Config, error) {
	if k.File == "" {
		return nil, errNoneKept
	}
	c, err := Load([]byte(k.File))
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

// Complete puts in the place of each app with mistakes its last good configuration, Held,
// unless another app has since taken what that names.
func (k Kept) Complete(from *Config) *Config {
	c := *from
	c.Apps = slices.Clone(from.Apps)
	taken := map[string]bool{}
	for i := range c.Apps {
		if len(c.Apps[i].Problems) == 0 {
			take(taken, &c.Apps[i])
		}
	}
	for i, a := range c.Apps {
		if len(a.Problems) == 0 {
			continue
		}
		earlier, ok := appIn(k.lastOf(a.Name), a.Name)
		if ok && !slices.ContainsFunc(claims(&earlier, ""), func(c claim) bool { return taken[c.what] }) {
			earlier.Line, earlier.Held = a.Line, a.Sentences()
			c.Apps[i] = earlier
			take(taken, &c.Apps[i])
		}
	}
	return &c
}

func take(taken map[string]bool, a *App) {
	for _, c := range claims(a, "") {
		taken[c.what] = true
	}
}
