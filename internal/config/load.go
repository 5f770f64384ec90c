package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

const (
	// maxBytes, maxNodes, maxAnchors and maxItems bound a file. What an alias stands for counts
	// as often as it is used.
	maxBytes   = 1 << 20
	maxNodes   = 100_000
	maxAnchors = 1_000 // and aliases
	maxItems   = 1_000 // of a list
)

// Load reads a bluegreen.yaml. An error of type Problems means that nothing of the file can be
// used, and names every mistake; mistakes inside one app are else in that app's Problems.
func Load(data []byte) (*Config, error) {
	r := &reader{lines: map[string]int{}}
	root, problem := parse(data)
	if problem != nil {
		return nil, Problems{*problem}
	}
	var c Config
	fill(reflect.ValueOf(&c.Defaults).Elem())
	r.defaults = &c.Defaults
	r.read(root, "", reflect.ValueOf(&c).Elem(), "")
	r.checkNotify(&c)
	r.compare(c.Apps)
	whole := r.problems
	for _, a := range c.Apps {
		sortByLine(a.Problems)
		if len(r.problems) > 0 {
			whole = append(whole, a.Problems...)
		}
	}
	if len(whole) > 0 {
		sortByLine(whole)
		return nil, Problems(whole)
	}
	return &c, nil
}

func sortByLine(p []Problem) {
	slices.SortStableFunc(p, func(a, b Problem) int { return a.Line - b.Line })
}

func parse(data []byte) (*yaml.Node, *Problem) {
	if len(data) > maxBytes {
		return nil, &Problem{1, "", fmt.Sprintf("the file has %d bytes, more than the %d that are read", len(data), maxBytes)}
	}
	var doc, more yaml.Node
	d := yaml.NewDecoder(bytes.NewReader(data))
	if err := d.Decode(&doc); errors.Is(err, io.EOF) {
		return nil, &Problem{1, "", "the file is empty: write apps: and below it the apps"}
	} else if err != nil {
		return nil, notYAML(err)
	}
	if err := d.Decode(&more); err == nil {
		return nil, &Problem{max(1, more.Line), "", "a second document begins here: one file holds one"}
	} else if !errors.Is(err, io.EOF) {
		return nil, notYAML(err)
	}
	return doc.Content[0], size(doc.Content[0])
}

// size is what makes a file too large to be read; nil for one that is not.
func size(root *yaml.Node) *Problem {
	nodes, anchors := 0, 0
	var wrong *Problem
	var count func(n *yaml.Node)
	count = func(n *yaml.Node) {
		if nodes++; n.Anchor != "" || n.Kind == yaml.AliasNode {
			anchors++
		}
		switch {
		case wrong != nil:
			return
		case nodes > maxNodes:
			wrong = &Problem{1, "", fmt.Sprintf("the file has more than %d values, aliases counted as often as they are used", maxNodes)}
		case anchors > maxAnchors:
			wrong = &Problem{max(1, n.Line), "", fmt.Sprintf("the file has more than %d anchors and aliases: what apps share goes under defaults", maxAnchors)}
		case n.Kind == yaml.SequenceNode && len(n.Content) > maxItems:
			wrong = &Problem{max(1, n.Line), "", fmt.Sprintf("the list has %d items, more than the %d that are read", len(n.Content), maxItems)}
		case n.Kind == yaml.AliasNode:
			count(n.Alias)
		}
		for _, c := range n.Content {
			if wrong == nil {
				count(c)
			}
		}
	}
	count(root)
	return wrong
}

func notYAML(err error) *Problem {
	text := strings.TrimPrefix(err.Error(), "yaml: ")
	line := 1
	if found := regexp.MustCompile(`^line (\d+): `).FindStringSubmatch(text); found != nil {
		line, _ = strconv.Atoi(found[1])
		text = strings.TrimPrefix(text, found[0])
	}
	return &Problem{max(1, line), "", "not YAML from about here: " + text + " (often the indentation)"}
}

// reader turns nodes into values and collects their mistakes.
type reader struct {
	problems []Problem
	lines    map[string]int // of each key that was read, by path
	defaults *Behavior
}

func (r *reader) wrong(n *yaml.Node, path, format string, args ...any) {
	r.problems = append(r.problems, Problem{max(1, n.Line), path, fmt.Sprintf(format, args...)})
}

// shorthand is a map that one word can stand for. set takes the word, "" for a map.
type shorthand interface {
	words() []string
	set(word string)
}

func (p *Promotion) words() []string { return []string{"auto", "manual"} }
func (p *Promotion) set(word string) {
	if word != "" {
		p.Mode = word
	}
}

// read reads a node into a value by its type and the tags of its field.
func (r *reader) read(n *yaml.Node, path string, v reflect.Value, tag reflect.StructTag) {
	for n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" {
		r.wrong(n, path, "has no value: write %s, or leave the key out", wanted(v.Type()))
		return
	}
	if app, ok := v.Addr().Interface().(*App); ok {
		r.app(n, path, app)
		return
	}
	if short, ok := v.Addr().Interface().(shorthand); ok {
		if n.Kind == yaml.ScalarNode && slices.Contains(short.words(), n.Value) {
			short.set(n.Value)
			return
		}
		switch n.Kind {
		case yaml.MappingNode:
		case yaml.ScalarNode:
			r.wrong(n, path, "%q is not %s%s, nor a map", shorten(n.Value), strings.Join(short.words(), " or "), meant(n.Value, short.words()))
			return
		default:
			r.wrong(n, path, "is %s, should be %s or a map", kindOf(n), strings.Join(short.words(), " or "))
			return
		}
		short.set("")
	}
	switch {
	case v.Type() == reflect.TypeFor[time.Duration]():
		r.duration(n, path, v, tag)
	case v.Kind() == reflect.Struct:
		r.object(n, path, v)
	case v.Kind() == reflect.Slice:
		r.list(n, path, v, tag)
	case v.Kind() == reflect.Map:
		r.texts(n, path, v, tag)
	case v.Kind() == reflect.Int:
		r.number(n, path, v, tag)
	case v.Kind() == reflect.Bool:
		r.flag(n, path, v)
	default:
		r.text(n, path, v, tag)
	}
}

// app reads an app with problems of its own, so that its mistakes stop no other.
func (r *reader) app(n *yaml.Node, path string, app *App) {
	own := &reader{lines: r.lines, defaults: r.defaults}
	app.Behavior, app.Line = *r.defaults, n.Line
	own.object(n, path, reflect.ValueOf(app).Elem())
	if n.Kind == yaml.MappingNode {
		own.check(path, app)
	}
	app.Problems = own.problems
	if app.Name == "" || slices.ContainsFunc(own.problems, func(p Problem) bool { return p.Path == path+".name" }) {
		app.Name = fmt.Sprintf("line-%d", n.Line)
	}
}

// field is one key of a struct; those of embedded structs count as its own.
type field struct {
	key   string
	tag   reflect.StructTag
	value reflect.Value
}

func fields(v reflect.Value) []field {
	var list []field
	for i := range v.NumField() {
		f := v.Type().Field(i)
		if f.Anonymous {
			list = append(list, fields(v.Field(i))...)
		} else if key := f.Tag.Get("key"); key != "" {
			list = append(list, field{key, f.Tag, v.Field(i)})
		}
	}
	return list
}

// fill sets the defaults of a struct.
func fill(v reflect.Value) {
	for _, f := range fields(v) {
		text := f.tag.Get("default")
		switch {
		case f.value.Type() == reflect.TypeFor[time.Duration]() && text != "":
			f.value.SetInt(int64(mustDuration(text)))
		case f.value.Kind() == reflect.Struct:
			fill(f.value)
		case f.value.Kind() == reflect.Int && text != "":
			f.value.SetInt(int64(mustInt(text)))
		case f.value.Kind() == reflect.String && text != "":
			f.value.SetString(text)
		}
	}
}

// object reads a map with known keys, in the order of the struct.
func (r *reader) object(n *yaml.Node, path string, v reflect.Value) {
	if n.Kind != yaml.MappingNode {
		r.wrong(n, path, "is %s, should be a map with the keys %s", kindOf(n), keysOf(v))
		return
	}
	all := fields(v)
	values := r.entries(n, path, func(key string) bool {
		return slices.ContainsFunc(all, func(f field) bool { return f.key == key })
	}, all)
	for _, f := range all {
		value, given := values[f.key]
		switch {
		case given:
			r.read(value, join(path, f.key), f.value, f.tag)
		case f.tag.Get("need") != "":
			r.wrong(n, join(path, f.key), "is missing: %s", purpose(f.tag))
		}
	}
}

// purpose is the first sentence of a field's description, to follow a colon.
func purpose(tag reflect.StructTag) string {
	text, _, _ := strings.Cut(tag.Get("doc"), ". ")
	return strings.ToLower(text[:1]) + strings.TrimSuffix(text[1:], ".")
}

// entries returns a map's values by key, and complains about keys that are unknown or twice.
func (r *reader) entries(n *yaml.Node, path string, known func(string) bool, all []field) map[string]*yaml.Node {
	values := map[string]*yaml.Node{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		for key.Kind == yaml.AliasNode {
			key = key.Alias
		}
		name := key.Value
		switch {
		case key.Kind != yaml.ScalarNode:
			r.wrong(key, path, "a key is %s, should be text", kindOf(key))
		case name == "<<":
			r.wrong(key, path, "merge keys (<<) are not read: what apps share goes under defaults")
		case !known(name):
			names := keyNames(all)
			r.wrong(key, join(path, name), "unknown key%s; known here are %s", meant(name, names), strings.Join(names, ", "))
		case values[name] != nil:
			r.wrong(key, join(path, name), "is there twice, first in line %d", values[name].Line)
		default:
			values[name] = value
			r.lines[join(path, name)] = key.Line
		}
	}
	return values
}

func (r *reader) list(n *yaml.Node, path string, v reflect.Value, tag reflect.StructTag) {
	if n.Kind != yaml.SequenceNode {
		r.wrong(n, path, "is %s, should be %s", kindOf(n), wanted(v.Type()))
		return
	}
	if least := tag.Get("least"); least != "" && len(n.Content) < mustInt(least) {
		r.wrong(n, path, "is empty: name at least %s", least)
	}
	items := reflect.MakeSlice(v.Type(), len(n.Content), len(n.Content))
	for i, item := range n.Content {
		if v.Type().Elem().Kind() == reflect.Struct {
			fill(items.Index(i))
		}
		r.lines[at(path, i)] = item.Line
		r.read(item, at(path, i), items.Index(i), tag)
	}
	v.Set(items)
}

// texts reads a map from text to text.
func (r *reader) texts(n *yaml.Node, path string, v reflect.Value, tag reflect.StructTag) {
	if n.Kind != yaml.MappingNode {
		r.wrong(n, path, "is %s, should be a map from text to text", kindOf(n))
		return
	}
	if least := tag.Get("least"); least != "" && len(n.Content)/2 < mustInt(least) {
		r.wrong(n, path, "is empty: name at least %s", least)
	}
	found := map[string]string{}
	values := r.entries(n, path, func(string) bool { return true }, nil)
	for _, key := range slices.Sorted(maps.Keys(values)) {
		value := values[key]
		keys := ruleOf(tag.Get("keys"))
		if wrong := keys.broken(key); wrong != "" {
			r.wrong(value, join(path, key), "%s", wrong)
		}
		var text string
		r.read(value, join(path, key), reflect.ValueOf(&text).Elem(), tag)
		if keys.pair != nil {
			if wrong := keys.pair(key, text); wrong != "" {
				r.wrong(value, join(path, key), "%s", wrong)
			}
		}
		found[key] = text
	}
	v.Set(reflect.ValueOf(found))
}

func (r *reader) text(n *yaml.Node, path string, v reflect.Value, tag reflect.StructTag) {
	switch {
	case n.Kind != yaml.ScalarNode:
		r.wrong(n, path, "is %s, should be text", kindOf(n))
		return
	case n.ShortTag() != "!!str" && ruleOf(tag.Get("is")).secret:
		r.wrong(n, path, "is %s to YAML, should be text: write it in quotes", kindOf(n))
		return
	case n.ShortTag() != "!!str":
		r.wrong(n, path, "%s is %s to YAML, should be text: write it in quotes, %q", n.Value, kindOf(n), n.Value)
		return
	}
	if one := tag.Get("one"); one != "" {
		if known := strings.Split(one, ","); !slices.Contains(known, n.Value) {
			r.wrong(n, path, "%q is not known%s; known are %s", shorten(n.Value), meant(n.Value, known), strings.Join(known, ", "))
			return
		}
	} else if wrong := ruleOf(tag.Get("is")).broken(n.Value); wrong != "" {
		r.wrong(n, path, "%s", wrong)
		return
	}
	v.SetString(n.Value)
}

func (r *reader) number(n *yaml.Node, path string, v reflect.Value, tag reflect.StructTag) {
	least, most := mustInt(tag.Get("least")), mustInt(tag.Get("most"))
	i, err := strconv.Atoi(n.Value)
	switch {
	case n.Kind != yaml.ScalarNode:
		r.wrong(n, path, "is %s, should be a whole number", kindOf(n))
	case n.ShortTag() != "!!int" || err != nil:
		r.wrong(n, path, "%q is not a whole number from %d to %d, without quotes", shorten(n.Value), least, most)
	case i < least || i > most:
		r.wrong(n, path, "%d is out of range: from %d to %d", i, least, most)
	default:
		v.SetInt(int64(i))
	}
}

func (r *reader) flag(n *yaml.Node, path string, v reflect.Value) {
	if n.ShortTag() != "!!bool" {
		r.wrong(n, path, "is %s, should be %s, without quotes", kindOf(n), wanted(v.Type()))
		return
	}
	v.SetBool(strings.EqualFold(n.Value, "true"))
}

func (r *reader) duration(n *yaml.Node, path string, v reflect.Value, tag reflect.StructTag) {
	d, err := ParseDuration(n.Value)
	switch {
	case n.Kind != yaml.ScalarNode:
		r.wrong(n, path, "is %s, should be %s", kindOf(n), wanted(v.Type()))
	case err != nil:
		r.wrong(n, path, "%v", err)
	case d < mustDuration(tag.Get("least")) || d > mustDuration(tag.Get("most")):
		r.wrong(n, path, "%s is out of range: from %s to %s", n.Value, tag.Get("least"), tag.Get("most"))
	default:
		v.SetInt(int64(d))
	}
}

const durationPattern = `^([0-9]+(\.[0-9]+)?(ms|s|m|h|d))+$`

var (
	durationForm = regexp.MustCompile(durationPattern)
	durationPart = regexp.MustCompile(`([0-9.]+)([a-z]+)`)
)

// ParseDuration reads a duration like time.ParseDuration, with d for 24 hours besides ms,
// s, m and h. It must not be negative.
func ParseDuration(text string) (time.Duration, error) {
	if !durationForm.MatchString(text) {
		return 0, fmt.Errorf("%q is not a duration such as 90s, 15m, 1h30m or 7d", shorten(text))
	}
	var total time.Duration
	for _, part := range durationPart.FindAllStringSubmatch(text, -1) {
		number, unit := part[1], part[2]
		times := time.Duration(1)
		if unit == "d" {
			unit, times = "h", 24
		}
		d, err := time.ParseDuration(number + unit)
		if err != nil || d > 1000*24*time.Hour {
			return 0, fmt.Errorf("%q is too long", shorten(text))
		}
		if total += d * times; total > 100_000*24*time.Hour {
			return 0, fmt.Errorf("%q is too long", shorten(text))
		}
	}
	return total, nil
}

// mustDuration and mustInt read the values of tags in this package.
func mustDuration(text string) time.Duration {
	d, err := ParseDuration(text)
	if err != nil {
		panic(err)
	}
	return d
}

func mustInt(text string) int {
	i, err := strconv.Atoi(text)
	if err != nil {
		panic(err)
	}
	return i
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

func at(path string, i int) string { return fmt.Sprintf("%s[%d]", path, i) }

func keyNames(all []field) []string {
	var names []string
	for _, f := range all {
		names = append(names, f.key)
	}
	slices.Sort(names)
	return names
}

func keysOf(v reflect.Value) string { return strings.Join(keyNames(fields(v)), ", ") }

func wanted(t reflect.Type) string {
	switch {
	case t == reflect.TypeFor[time.Duration]():
		return "a duration such as 15m"
	case t.Kind() == reflect.Slice:
		return "a list"
	case t.Kind() == reflect.Map, t.Kind() == reflect.Struct:
		return "a map"
	case t.Kind() == reflect.Int:
		return "a whole number"
	case t.Kind() == reflect.Bool:
		return "true or false"
	}
	return "text"
}

func kindOf(n *yaml.Node) string {
	switch {
	case n.Kind == yaml.MappingNode:
		return "a map"
	case n.Kind == yaml.SequenceNode:
		return "a list"
	case n.Kind == yaml.AliasNode:
		return "an alias"
	case n.ShortTag() == "!!int", n.ShortTag() == "!!float":
		return "a number"
	case n.ShortTag() == "!!bool":
		return "true or false"
	case n.ShortTag() == "!!timestamp":
		return "a date"
	case n.ShortTag() == "!!null":
		return "nothing"
	}
	return "text"
}
