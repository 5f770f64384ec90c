package simulation_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
)

// chosenBy names the variable of the environment with the number of the mutant that runs, from 1.
const chosenBy = "MUTANT"

// choice is a source that has many mutants, of which a process runs one: compiling each by itself
// takes minutes.
type choice struct {
	source
	has map[int]bool // by their place in the list; not those that change a type
}

// chosen lets each function begin with the bodies that it has in mutants.
func chosen(list []mutant) (choice, error) {
	c := choice{source{}, map[int]bool{}}
	for n, m := range list {
		changed, err := m.source()
		if err != nil {
			return c, fmt.Errorf("%s: %w", m.name, err)
		}
		bodies := map[edit]string{} // by package and declaration
		for _, e := range m.edits {
			at := edit{pkg: e.pkg, decl: e.decl}
			f, err := changed.function(at)
			if err != nil {
				return c, fmt.Errorf("%s: %w", m.name, err)
			}
			bodies[at] = f.body
		}
		c.has[n] = true
		for _, body := range bodies {
			c.has[n] = c.has[n] && body != ""
		}
		for at, body := range bodies {
			if c.has[n] {
				if err := c.offer(at, n, body); err != nil {
					return c, err
				}
			}
		}
	}
	return c, nil
}

// offer lets a function begin with the body that it has in a mutant.
func (c choice) offer(at edit, mutant int, body string) error {
	f, err := c.function(at)
	if err != nil {
		return err
	}
	if !f.results {
		body += "\nreturn"
	}
	text := c.source[f.file]
	c.source[f.file] = fmt.Sprintf("%s\nif chosenMutant == %d {%s\n}\n%s", text[:f.begin], mutant+1, body, text[f.begin:])
	number := filepath.Join("..", filepath.FromSlash(at.pkg), "chosen_mutant.go")
	c.source[number] = fmt.Sprintf("package %s\n\nimport (\n\"os\"\n\"strconv\"\n)\n\nvar chosenMutant, _ = strconv.Atoi(os.Getenv(%q))\n", f.pkg, chosenBy)
	return nil
}

// function is one of a source.
type function struct {
	file, pkg string
	begin     int    // of its body
	body      string // "" of a type
	results   bool
}

func (s source) function(at edit) (function, error) {
	files, err := s.files(at.pkg)
	if err != nil {
		return function{}, err
	}
	for _, name := range files {
		set := token.NewFileSet()
		file, err := parser.ParseFile(set, name, s[name], 0)
		if err != nil {
			return function{}, err
		}
		for _, d := range declared(file, at.decl) {
			if f, ok := d.(*ast.FuncDecl); ok {
				offset := set.File(f.Pos()).Offset
				begin := offset(f.Body.Lbrace) + 1
				return function{name, file.Name.Name, begin, s[name][begin:offset(f.Body.Rbrace)], f.Type.Results != nil}, nil
			}
		}
	}
	return function{}, nil
}
