package config

import (
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"go.yaml.in/yaml/v3"
)

// reader turns the nodes of a file, or of one app or template in it, into values, and collects
// their mistakes.
type reader struct {
	*loader
	name     string // of the file
	prefix   string // of the paths, for problems
	root     place
	first    int // index of the file's first app
	problems []Problem
	at       map[string]place // of each key that was read, by path
	defaults *Behavior
	// blueprints are the templates of the file, shared those of bluegreen.yaml.
	blueprints, shared map[string]*blueprint
	// base is the template of the app that is read, making the template that is read.
	base, making *blueprint
	// lenient is set where it is not known what is missing, whole in lists, which no template
	// completes.
	lenient, whole bool
}

// loader is what the readers of a configuration share.
type loader struct {
	claims []claim
	made   int // bytes of what templates made
	tags   map[string]*Tags
}

func (l *loader) tagsOf(policy string) *Tags {
	if l.tags[policy] == nil {
		l.tags[policy] = tagsOf(policy)
	}
	return l.tags[policy]
}

// place is where something begins in a file, from 1.
type place struct{ line, column int }

func placeOf(n *yaml.Node) place { return place{max(1, n.Line), max(1, n.Column)} }

func (r *reader) wrong(n *yaml.Node, path, format string, args ...any) {
	r.problems = append(r.problems, r.problem(placeOf(n), path, format, args...))
}

func (r *reader) problem(p place, path, format string, args ...any) Problem {
	if strings.HasPrefix(path, "[") || path == "" {
		path = r.prefix + path
	} else {
		path = join(r.prefix, path)
	}
	return Problem{File: r.name, Line: p.line, Column: p.column, Path: path, Message: fmt.Sprintf(format, args...)}
}

// file reads a file; what it returns keeps all of the file from being used.
func (r *reader) file(f File, into any) []Problem {
	if f.Wrong != "" {
		return []Problem{{File: f.Name, Line: 1, Column: 1, Message: f.Wrong}}
	}
	root, wrong := parse(f.Text)
	if wrong != nil {
		wrong.File = f.Name
		return []Problem{*wrong}
	}
	r.root = placeOf(root)
	r.read(root, "", reflect.ValueOf(into).Elem(), &spec{})
	return r.problems
}

// apps reads the list of apps. Each has problems of its own, so that its mistakes stop no other.
func (r *reader) apps(n *yaml.Node, path string, v reflect.Value) {
	if n.Kind != yaml.SequenceNode {
		r.wrong(n, path, "is %s, should be %s", kindOf(n), wanted(v.Type()))
		return
	}
	if len(n.Content) == 0 {
		r.wrong(n, path, "is empty: name at least 1")
	}
	var blank App
	fill(reflect.ValueOf(&blank).Elem())
	blank.Behavior = *r.defaults
	apps := make([]App, len(n.Content))
	r.claims = slices.Grow(r.claims, 5*len(apps))
	for i, item := range n.Content {
		for item.Kind == yaml.AliasNode {
			item = item.Alias
		}
		apps[i] = blank
		r.app(item, path+"["+strconv.Itoa(i)+"]", &apps[i], r.first+i)
	}
	v.Set(reflect.ValueOf(apps))
}

func (r *reader) app(n *yaml.Node, path string, app *App, index int) {
	if n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" {
		r.wrong(n, path, "has no value: write a map, or leave the key out")
		return
	}
	own := &reader{loader: r.loader, name: r.name, prefix: path, root: placeOf(n), at: map[string]place{}}
	app.File, app.Line, app.Column = r.name, own.root.line, own.root.column
	base, key, wrong := r.use(n, app)
	own.base, own.lenient = base, wrong != ""
	own.object(n, "", reflect.ValueOf(app).Elem())
	switch {
	case n.Kind != yaml.MappingNode:
	case own.lenient:
		own.problems = append(own.problems, own.problem(own.nearest(key), key, "%s", wrong))
	case own.base != nil:
		own.complete(app)
	}
	if n.Kind == yaml.MappingNode && (app.Template == "" || len(own.problems) == 0) {
		own.check(app)
		own.claim(app, index)
	}
	app.Problems, app.Parameters, app.tags = own.problems, nil, r.tagsOf(app.Image.Tags)
	if app.Name == "" || slices.ContainsFunc(own.problems, func(p Problem) bool { return p.Path == path+".name" }) {
		app.Name = fmt.Sprintf("line-%d", n.Line)
	}
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
func (r *reader) read(n *yaml.Node, path string, v reflect.Value, tag *spec) {
	for n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" {
		r.wrong(n, path, "has no value: write %s, or leave the key out", wanted(v.Type()))
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
	case v.Type() == reflect.TypeFor[[]App]():
		r.apps(n, path, v)
	case v.Type() == reflect.TypeFor[Template]():
		r.template(n, path, v.Addr().Interface().(*Template))
	case v.Kind() == reflect.Struct:
		r.object(n, path, v)
	case v.Kind() == reflect.Slice:
		r.list(n, path, v, tag)
	case v.Kind() == reflect.Map:
		r.entriesOf(n, path, v, tag)
	case v.Kind() == reflect.Int:
		r.number(n, path, v, tag)
	case v.Kind() == reflect.Bool:
		r.flag(n, path, v)
	default:
		r.text(n, path, v, tag)
	}
}

// field is one key of a struct; those of embedded structs count as its own.
type field struct {
	key   string
	tag   *spec
	index []int
	value reflect.Value
}

// spec is the tag of a field, with what reading it asks for often.
type spec struct {
	reflect.StructTag
	rule, keys rule
	one        []string
	need       bool
}

func specOf(tag reflect.StructTag) *spec {
	s := &spec{StructTag: tag, rule: ruleOf(tag.Get("is")), keys: ruleOf(tag.Get("keys")), need: tag.Get("need") != ""}
	if one := tag.Get("one"); one != "" {
		s.one = strings.Split(one, ",")
	}
	return s
}

// known has the fields of each type, in the order of the struct.
var known sync.Map

func fieldsOf(t reflect.Type) []field {
	if list, ok := known.Load(t); ok {
		return list.([]field)
	}
	var list []field
	for i := range t.NumField() {
		f := t.Field(i)
		if key := f.Tag.Get("key"); key != "" {
			list = append(list, field{key: key, tag: specOf(f.Tag), index: f.Index})
		} else if f.Anonymous {
			for _, inner := range fieldsOf(f.Type) {
				inner.index = append(slices.Clone(f.Index), inner.index...)
				list = append(list, inner)
			}
		}
	}
	known.Store(t, list)
	return list
}

func fields(v reflect.Value) []field {
	list := slices.Clone(fieldsOf(v.Type()))
	for i := range list {
		list[i].value = v.FieldByIndex(list[i].index)
	}
	return list
}

// filled has each struct with its defaults.
var filled sync.Map

// fill sets the defaults of a struct.
func fill(v reflect.Value) {
	blank, ok := filled.Load(v.Type())
	if !ok {
		fresh := reflect.New(v.Type()).Elem()
		fillIn(fresh)
		blank, _ = filled.LoadOrStore(v.Type(), fresh)
	}
	v.Set(blank.(reflect.Value))
}

func fillIn(v reflect.Value) {
	for _, f := range fields(v) {
		text := f.tag.Get("default")
		switch {
		case f.value.Type() == reflect.TypeFor[time.Duration]() && text != "":
			f.value.SetInt(int64(mustDuration(text)))
		case f.value.Kind() == reflect.Struct:
			fillIn(f.value)
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
	all := fieldsOf(v.Type())
	values := r.entries(n, path, func(key string) bool {
		return slices.ContainsFunc(all, func(f field) bool { return f.key == key })
	}, all)
	for _, f := range all {
		value, given := values[f.key]
		switch {
		case given:
			r.read(value, join(path, f.key), v.FieldByIndex(f.index), f.tag)
		case f.tag.need:
			r.missing(n, path, f)
		}
	}
}

// missing reports a key that is needed, or notes it until the app and its template are known.
func (r *reader) missing(n *yaml.Node, path string, f field) {
	f.key = join(path, f.key)
	switch {
	case r.lenient:
	case r.making != nil && !r.whole:
		r.making.missing = append(r.making.missing, f)
	case r.base != nil && !r.whole && r.base.given(path) && f.key != "name":
	default:
		r.wrong(n, f.key, "is missing: %s", purpose(f.tag))
	}
}

// purpose is the first sentence of a field's description, to follow a colon.
func purpose(tag *spec) string {
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
			if r.name != "" && path == "" && (name == "defaults" || name == "notify") {
				r.wrong(key, name, "is for all apps, and is read from bluegreen.yaml alone")
				continue
			}
			r.wrong(key, join(path, name), "unknown key%s; known here are %s", meant(name, names), strings.Join(names, ", "))
		case values[name] != nil:
			r.wrong(key, join(path, name), "is there twice, first in line %d", values[name].Line)
		default:
			values[name] = value
			r.at[join(path, name)] = placeOf(key)
		}
	}
	return values
}

func (r *reader) list(n *yaml.Node, path string, v reflect.Value, tag *spec) {
	if n.Kind != yaml.SequenceNode {
		r.wrong(n, path, "is %s, should be %s", kindOf(n), wanted(v.Type()))
		return
	}
	if least := tag.Get("least"); least != "" && len(n.Content) < mustInt(least) {
		r.wrong(n, path, "is empty: name at least %s", least)
	}
	items := reflect.MakeSlice(v.Type(), len(n.Content), len(n.Content))
	outer := r.whole
	r.whole = true
	for i := range n.Content {
		if v.Type().Elem().Kind() == reflect.Struct {
			fill(items.Index(i))
		}
		r.at[item(path, i)] = placeOf(n.Content[i])
		r.read(n.Content[i], item(path, i), items.Index(i), tag)
	}
	r.whole = outer
	v.Set(items)
}

// entriesOf reads a map with keys of the user: to texts, which are added to those that v has, or
// to maps.
func (r *reader) entriesOf(n *yaml.Node, path string, v reflect.Value, tag *spec) {
	if n.Kind != yaml.MappingNode {
		r.wrong(n, path, "is %s, should be %s", kindOf(n), wanted(v.Type()))
		return
	}
	if least := tag.Get("least"); least != "" && len(n.Content)/2 < mustInt(least) {
		r.wrong(n, path, "is empty: name at least %s", least)
	}
	keys := tag.keys
	values := r.entries(n, path, func(string) bool { return true }, nil)
	found := reflect.MakeMapWithSize(v.Type(), len(values)+v.Len())
	for was := v.MapRange(); was.Next(); {
		found.SetMapIndex(was.Key(), was.Value())
	}
	for _, key := range slices.Sorted(maps.Keys(values)) {
		value := values[key]
		if wrong := keys.broken(key); wrong != "" {
			r.wrong(value, join(path, key), "%s", wrong)
		}
		of := reflect.New(v.Type().Elem()).Elem()
		if of.Kind() == reflect.Struct {
			fill(of)
		}
		r.read(value, join(path, key), of, tag)
		if keys.pair != nil {
			if wrong := keys.pair(key, of.String()); wrong != "" {
				r.wrong(value, join(path, key), "%s", wrong)
			}
		}
		found.SetMapIndex(reflect.ValueOf(key), of)
	}
	v.Set(found)
}

func (r *reader) text(n *yaml.Node, path string, v reflect.Value, tag *spec) {
	switch {
	case n.Kind != yaml.ScalarNode:
		r.wrong(n, path, "is %s, should be text", kindOf(n))
		return
	case n.ShortTag() != "!!str" && tag.rule.secret:
		r.wrong(n, path, "is %s to YAML, should be text: write it in quotes", kindOf(n))
		return
	case n.ShortTag() != "!!str":
		r.wrong(n, path, "%s is %s to YAML, should be text: write it in quotes, %q", n.Value, kindOf(n), n.Value)
		return
	}
	if r.holds(n, path) {
		v.SetString(n.Value)
		return
	}
	if len(tag.one) > 0 {
		if !slices.Contains(tag.one, n.Value) {
			r.wrong(n, path, "%q is not known%s; known are %s", shorten(n.Value), meant(n.Value, tag.one), strings.Join(tag.one, ", "))
			return
		}
	} else if wrong := tag.rule.broken(n.Value); wrong != "" {
		r.wrong(n, path, "%s", wrong)
		return
	}
	v.SetString(n.Value)
}

func (r *reader) number(n *yaml.Node, path string, v reflect.Value, tag *spec) {
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

func (r *reader) duration(n *yaml.Node, path string, v reflect.Value, tag *spec) {
	if n.Kind == yaml.ScalarNode && r.holds(n, path) {
		return
	}
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

func item(path string, i int) string { return path + "[" + strconv.Itoa(i) + "]" }

func keyNames(all []field) []string {
	var names []string
	for _, f := range all {
		names = append(names, f.key)
	}
	slices.Sort(names)
	return names
}

func keysOf(v reflect.Value) string { return strings.Join(keyNames(fieldsOf(v.Type())), ", ") }

func wanted(t reflect.Type) string {
	switch {
	case t == reflect.TypeFor[time.Duration]():
		return "a duration such as 15m"
	case t.Kind() == reflect.Slice:
		return "a list"
	case t == reflect.TypeFor[map[string]string]():
		return "a map from text to text"
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
