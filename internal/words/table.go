package main

import "regexp"

// word is an expression that this project avoids, with the standard term in its place.
type word struct {
	not, but string
	found    *regexp.Regexp // in lower-case text, in which names are split into words
	// held is set once the expression is gone: a test then keeps it away. Set it only where
	// the expression has no other, legitimate use.
	held bool
}

// table is what `make words` counts. "way" for a transport is not in it: the word has too
// many ordinary uses to be counted.
var table = []word{
	held(avoid("way back", "rollback target", `ways?[\s-]+back`)),
	held(avoid("owed, debt", "pending effect", `owed|owes?|owing|debts?`)),
	held(avoid("make true", "carry out", `(make|makes|made|making)\s+(\w+\s+)?true`)),
	held(avoid("stumble", "StepFailed, failed step", `stumbl\w*`)),
	// A field of the stored schema 1 is named "fit".
	avoid("fit, unfit", "ready, not ready", `(un)?fit`),
	held(avoid("twin", "fake", `twins?`)),
	held(avoid("proof", "simulation", `proofs?`)),
	held(avoid("histories", "runs", `histories`)),
	held(avoid("door", "transport, endpoint, route", `doors?`)),
	held(avoid("sight", "snapshot", `sights?`)),
	held(avoid("wish", "desired", `wish(es|ed)?`)),
	held(avoid("ail", "diagnose", `ail(s|ing|ment|ments)?`)),
	held(avoid("fate", "rollout status", `fates?`)),
	held(avoid("tell, told, said", "report, text, attribution", `tells?|telling|told|said`)),
	held(avoid("mend", "fix", `mend(s|ed|ing)?`)),
	// Azure's service health alerts have a field "stage".
	avoid("stage", "lab", `stages?`),
	avoid("world", "env, fixture", `worlds?`),
	held(avoid("a person's word", "an operator's command", `(person|people|somebody|nobody)'?s'?\s+word`)),
	held(avoid("somebody else", "changed outside bluegreen", `somebody\s+else`)),
}

// measures are counted per 1,000 words of comments: many of them are the sign of missing nouns.
var measures = []word{
	avoid("what", "", `what`),
	avoid("nobody, somebody, who", "", `nobody|somebody|who`),
	avoid("tell, say", "", `tells?|telling|told|says?|saying|said`),
}

func avoid(not, but, pattern string) word {
	return word{not: not, but: but, found: regexp.MustCompile(`\b(` + pattern + `)\b`)}
}

// held marks a word that is gone for good.
func held(w word) word {
	w.held = true
	return w
}
