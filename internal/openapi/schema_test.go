package openapi_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

type object = map[string]any

// source is what reflection does not see of the packages of the public types: comments, and the
// values of texts that are enumerations.
type source struct {
	comments map[string]string // by "package.Type" and "package.Type.Field"
	values   map[string][]any  // by type, in the order of the source
}

func readSource(t *testing.T, dirs ...string) source {
	t.Helper()
	s := source{map[string]string{}, map[string][]any{}}
	for _, dir := range dirs {
		files, err := filepath.Glob(filepath.Join(dir, "*.go"))
		if err != nil || len(files) == 0 {
			t.Fatalf("no source in %s: %v", dir, err)
		}
		for _, file := range files {
			tree, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ParseComments|parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			for _, d := range tree.Decls {
				if d, ok := d.(*ast.GenDecl); ok && !strings.HasSuffix(file, "_test.go") {
					s.declared(tree.Name.Name, d)
				}
			}
		}
	}
	return s
}

func (s source) declared(in string, d *ast.GenDecl) {
	kind := ""
	for _, spec := range d.Specs {
		switch spec := spec.(type) {
		case *ast.TypeSpec:
			s.comments[in+"."+spec.Name.Name] = text(d.Doc, spec.Doc)
			if fields, ok := spec.Type.(*ast.StructType); ok {
				for _, f := range fields.Fields.List {
					for _, name := range f.Names {
						s.comments[in+"."+spec.Name.Name+"."+name.Name] = text(f.Doc, f.Comment)
					}
				}
			}
		case *ast.ValueSpec:
			if name, ok := spec.Type.(*ast.Ident); ok {
				kind = in + "." + name.Name
			}
			for _, v := range spec.Values {
				if v, ok := v.(*ast.BasicLit); ok && v.Kind == token.STRING && d.Tok == token.CONST {
					if value, err := strconv.Unquote(v.Value); err == nil && value != "" {
						s.values[kind] = append(s.values[kind], value)
					}
				}
			}
		}
	}
}

func text(groups ...*ast.CommentGroup) string {
	for _, g := range groups {
		if g != nil {
			return strings.Join(strings.Fields(g.Text()), " ")
		}
	}
	return ""
}

// about is a comment, which calls what it is about by the name in the document.
func (s source) about(of, name, key string) string {
	text := s.comments[of]
	for _, verb := range []string{" is ", " are "} {
		if rest, ok := strings.CutPrefix(text, name+verb); ok {
			return "`" + key + "`" + verb + rest
		}
	}
	return text
}

// schemas describes types.
type schemas struct {
	source
	names     map[string]string // of types that have another name in the document
	all       object
	responses object // that operations share
}

// of is the schema of a type.
func (s schemas) of(t reflect.Type) object {
	switch t.Kind() {
	case reflect.Pointer:
		return s.of(t.Elem())
	case reflect.Slice:
		return object{"type": "array", "items": s.of(t.Elem())}
	case reflect.Map:
		if t.Elem().Kind() == reflect.Interface {
			return object{"type": "object"}
		}
		return object{"type": "object", "additionalProperties": s.of(t.Elem())}
	case reflect.Bool:
		return object{"type": "boolean"}
	case reflect.Int, reflect.Int32:
		return object{"type": "integer"}
	case reflect.Float64:
		return object{"type": "number"}
	case reflect.String:
		if len(s.values[t.String()]) == 0 {
			return object{"type": "string"}
		}
		return s.named(t, func() object { return object{"type": "string", "enum": s.values[t.String()]} })
	}
	if t == reflect.TypeFor[time.Time]() {
		return object{"type": "string", "format": "date-time"}
	}
	return s.named(t, func() object {
		o := object{"type": "object", "properties": object{}}
		s.fields(t, o)
		return o
	})
}

func (s schemas) named(t reflect.Type, make func() object) object {
	name := t.Name()
	if other := s.names[t.String()]; other != "" {
		name = other
	}
	if _, done := s.all[name]; !done {
		s.all[name] = object{} // a type may hold itself
		o := make()
		if about := s.about(t.String(), t.Name(), name); about != "" {
			o["description"] = about
		}
		s.all[name] = o
	}
	return object{"$ref": "#/components/schemas/" + name}
}

// fields adds the fields of a struct to the schema of an object. What is never left out is
// required.
func (s schemas) fields(t reflect.Type, o object) {
	for i := range t.NumField() {
		f := t.Field(i)
		if f.Anonymous {
			s.fields(f.Type, o)
			continue
		}
		key, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		property := s.of(f.Type)
		if about := s.about(t.String()+"."+f.Name, f.Name, key); about != "" {
			property["description"] = about
		}
		o["properties"].(object)[key] = property
		if options == "" {
			required, _ := o["required"].([]string)
			o["required"] = slices.Sorted(slices.Values(append(required, key)))
		}
	}
}
