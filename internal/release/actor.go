package release

import "strings"

// Actor is who gave a command or sent an alert. The zero Actor is nobody: a push, or what
// bluegreen does by itself.
type Actor struct {
	// Claimed is who the request says to be, which nothing proves.
	Claimed string
	// Proven is the object id, or the application id, of the Entra token that the platform has
	// checked; "" without one.
	Proven string
	// Name is the readable name in that token.
	Name string
	// Route is the function that the request came through.
	Route string
	// Key identifies the function key: the first 8 hexadecimal digits of its SHA-256.
	Key string
}

// bluegreen is the actor of notes that bluegreen makes by itself.
var bluegreen = Actor{Name: "bluegreen"}

// IsZero reports whether there is no actor.
func (a Actor) IsZero() bool { return a == Actor{} }

// String is the actor for people: what is claimed, then what is known.
func (a Actor) String() string {
	var who []string
	if a.Claimed != "" {
		who = append(who, a.Claimed+" (claimed)")
	}
	switch {
	case a.Name != "":
		who = append(who, a.Name)
	case a.Proven != "":
		who = append(who, a.Proven)
	case a.Key != "":
		who = append(who, "function key "+a.Key)
	}
	return strings.Join(who, ", ")
}

// Bounded is the actor with its texts as long as a state takes them, of printing characters.
func (a Actor) Bounded() Actor {
	bound(mostName, &a.Claimed, &a.Proven, &a.Name, &a.Route, &a.Key)
	return a
}
