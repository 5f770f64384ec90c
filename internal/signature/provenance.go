package signature

import (
	"fmt"
	"regexp"
	"strings"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"bluegreen/internal/signature/cosign"
)

// Provenance is how an image must have been built. * stands for any characters.
type Provenance struct {
	Builder string // the id of the builder; required
	Source  string // of the code, such as https://github.com/acme/shop@refs/heads/main; "" for any
}

type provenance struct {
	Provenance
	signers []cosignSigner
}

// find looks for an attestation of provenance by one of the signers; why says what is wrong
// with the last that was found.
func (p *provenance) find(artifacts []artifact, of ocispec.Descriptor) (how, why string) {
	wrong := "there is none"
	for _, a := range artifacts {
		if a.kind != bundleKind || a.unusable != nil {
			continue
		}
		for _, s := range p.signers {
			statement, err := s.bundle(a.content, of)
			if err != nil {
				continue
			}
			builder, source, ok := builtBy(statement.Type, statement.Predicate)
			switch {
			case !ok: // it attests something else
			case !matches(p.Builder, builder):
				wrong = fmt.Sprintf("one is by the builder %q", builder)
			case !matches(p.Source, source):
				wrong = fmt.Sprintf("one is of the source %q", source)
			default:
				return fmt.Sprintf("built by %s from %s", shorten(builder), shorten(source)), ""
			}
		}
	}
	return "", fmt.Sprintf("image.verify.provenance wants an attestation of SLSA provenance, signed by a signer of image.verify.cosign, of the builder %s and the source %s; %s", orAny(p.Builder), orAny(p.Source), shorten(wrong))
}

func orAny(pattern string) string {
	if pattern == "" {
		return "*"
	}
	return pattern
}

func matches(pattern, text string) bool {
	return pattern == "" || regexp.MustCompile(cosign.Pattern(pattern)).MatchString(text)
}

// builtBy reads the builder and the source of a predicate of SLSA provenance, 0.2 or 1. The
// source is the first of what the build depended on: builders list the code before what it
// needs. See https://slsa.dev/spec/v1.0/provenance
func builtBy(kind string, predicate map[string]any) (builder, source string, ok bool) {
	p := object(predicate)
	switch kind {
	case "https://slsa.dev/provenance/v1":
		builder = p.at("runDetails").at("builder").text("id")
		source = p.at("buildDefinition").first("resolvedDependencies").text("uri")
	case "https://slsa.dev/provenance/v0.2":
		builder = p.at("builder").text("id")
		source = p.first("materials").text("uri")
	default:
		return "", "", false
	}
	return builder, strings.TrimPrefix(source, "git+"), true
}

// object is a JSON object; what is not there is empty.
type object map[string]any

func (o object) at(key string) object {
	inner, _ := o[key].(map[string]any)
	return inner
}

func (o object) first(key string) object {
	list, _ := o[key].([]any)
	if len(list) == 0 {
		return nil
	}
	inner, _ := list[0].(map[string]any)
	return inner
}

func (o object) text(key string) string {
	text, _ := o[key].(string)
	return text
}
