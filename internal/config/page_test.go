package config

import (
	"cmp"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"bluegreen/internal/golden"
)

// examples are the files of testdata/good that have each key.
var examples = []string{"everything.yaml", "templates.yaml"}

// TestThePageOfKeysIsMadeFromTheTypes writes the tables of docs/configure.md. Each key has a
// description, and an example.
func TestThePageOfKeysIsMadeFromTheTypes(t *testing.T) {
	var all tables
	for _, name := range examples {
		data, err := os.ReadFile("testdata/good/" + name)
		if err != nil {
			t.Fatal(err)
		}
		var file yaml.Node
		if err := yaml.Unmarshal(data, &file); err != nil {
			t.Fatal(err)
		}
		all.add(reflect.TypeFor[Config](), "", file.Content)
	}
	var page strings.Builder
	for _, of := range all {
		of.write(t, &page)
	}
	golden.Part(t, "../../docs/configure.md", "keys", page.String())
}

// table is the keys of a map that may stand at several places.
type table struct {
	of       reflect.Type
	paths    []string
	examples []*yaml.Node
}

type tables []*table

// add makes the table of a type, and below it those of the maps inside; a type that is there
// gets another place. The keys of defaults are those of an app.
func (all *tables) add(of reflect.Type, path string, examples []*yaml.Node) {
	i := slices.IndexFunc(*all, func(known *table) bool { return known.of == of })
	if i < 0 {
		i = len(*all)
		*all = append(*all, &table{of: of})
	}
	at := (*all)[i]
	if at.examples = append(at.examples, examples...); !slices.Contains(at.paths, path) {
		at.paths = append(at.paths, path)
	}
	for _, f := range fields(reflect.New(of).Elem()) {
		path, of, examples := join(path, f.key), f.value.Type(), under(examples, f.key)
		if of.Kind() == reflect.Slice {
			path, of, examples = path+"[]", of.Elem(), below(examples)
		}
		if of.Kind() == reflect.Map {
			path, of, examples = path+".NAME", of.Elem(), values(examples)
		}
		switch {
		case of == reflect.TypeFor[Template](): // its other keys are those of an app
			all.add(reflect.TypeFor[Parameter](), join(path, "parameters.NAME"), values(under(examples, "parameters")))
		case of.Kind() == reflect.Struct && of != reflect.TypeFor[Behavior]():
			all.add(of, path, examples)
		}
	}
}

func (a *table) write(t *testing.T, page *strings.Builder) {
	var titles []string
	for _, path := range a.paths {
		titles = append(titles, "`"+cmp.Or(path, "bluegreen.yaml")+"`")
	}
	fmt.Fprintf(page, "\n### %s\n\n| key | type | default | purpose | example |\n|---|---|---|---|---|\n", strings.Join(titles, ", "))
	for _, f := range fields(reflect.New(a.of).Elem()) {
		path, doc := join(a.paths[0], f.key), f.tag.Get("doc")
		if doc == "" {
			t.Errorf("%s has no description: give its field the tag doc", path)
		}
		found := under(a.examples, f.key)
		if len(found) == 0 {
			t.Errorf("%s has no example: write one into a file of testdata/good", path)
			continue
		}
		fmt.Fprintf(page, "| `%s` | %s | %s | %s | %s |\n", path, typeOf(f), defaultOf(f), cell(doc), example(t, f, found))
	}
}

// typeOf is what a key takes, with its unit and its limits.
func typeOf(f field) string {
	of := f.value.Type()
	text := kindText(of, f.tag)
	if of.Kind() == reflect.Slice || of.Kind() == reflect.Map {
		if least := f.tag.Get("least"); least != "" {
			text += ", at least " + least
		}
	}
	return cell(text)
}

func kindText(of reflect.Type, tag *spec) string {
	limits := tag.Get("least") + " to " + tag.Get("most")
	is := ruleOf(tag.Get("is"))
	switch {
	case of == reflect.TypeFor[time.Duration]():
		return "duration, " + limits
	case of.Kind() == reflect.Int:
		return "number, " + limits
	case of.Kind() == reflect.Bool:
		return "true or false"
	case of.Kind() == reflect.Struct:
		if short, ok := reflect.New(of).Interface().(shorthand); ok {
			return "`" + strings.Join(short.words(), "`, `") + "`, or a map"
		}
		return "map"
	case of.Kind() == reflect.Slice:
		if of.Elem().Kind() == reflect.Struct {
			return "list of maps"
		}
		return "list: " + kindText(of.Elem(), tag)
	case of.Kind() == reflect.Map && of.Elem().Kind() == reflect.Struct:
		return "map of maps"
	case of.Kind() == reflect.Map:
		return "map of texts"
	case tag.Get("one") != "":
		return "`" + strings.ReplaceAll(tag.Get("one"), ",", "`, `") + "`"
	}
	return cmp.Or(is.say, "text")
}

func defaultOf(f field) string {
	switch text := f.tag.Get("default"); {
	case f.tag.Get("need") != "":
		return "required"
	case text != "":
		return "`" + text + "`"
	}
	return ""
}

// example is the first value that stands in one line; the keys of a map have examples of
// their own.
func example(t *testing.T, f field, found []*yaml.Node) string {
	of := f.value.Type()
	if of.Kind() == reflect.Slice {
		of = of.Elem()
	}
	if of.Kind() == reflect.Map && of.Elem().Kind() == reflect.Struct || of.Kind() == reflect.Struct {
		return ""
	}
	for _, n := range found {
		n.Content = slices.DeleteFunc(n.Content, func(item *yaml.Node) bool { return strings.Contains(item.Value, "\n") })
		flow(n)
		text, err := yaml.Marshal(n)
		if err != nil {
			t.Fatal(err)
		}
		if line := strings.TrimSpace(string(text)); !strings.Contains(line, "\n") {
			return "`" + cell(line) + "`"
		}
	}
	t.Errorf("%s has no example in one line", f.key)
	return ""
}

func flow(n *yaml.Node) {
	n.Style |= yaml.FlowStyle
	for _, c := range n.Content {
		flow(c)
	}
}

func cell(text string) string { return strings.ReplaceAll(text, "|", `\|`) }

// under are the values of a key in maps.
func under(maps []*yaml.Node, key string) (found []*yaml.Node) {
	for _, n := range maps {
		for i := 0; n.Kind == yaml.MappingNode && i+1 < len(n.Content); i += 2 {
			if n.Content[i].Value == key {
				found = append(found, n.Content[i+1])
			}
		}
	}
	return found
}

// below are the items of lists.
func below(lists []*yaml.Node) (items []*yaml.Node) {
	for _, n := range lists {
		items = append(items, n.Content...)
	}
	return items
}

// values are those of all keys of maps.
func values(maps []*yaml.Node) (found []*yaml.Node) {
	for _, n := range maps {
		for i := 1; n.Kind == yaml.MappingNode && i < len(n.Content); i += 2 {
			found = append(found, n.Content[i])
		}
	}
	return found
}
