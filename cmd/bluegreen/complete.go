package main

import (
	"context"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"bluegreen/internal/api"
	"bluegreen/internal/release"
)

// completeTime bounds what a completion asks the app.
const completeTime = 3 * time.Second

type completion = func(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective)

// completeApp completes the first argument with the names of the apps.
func (r *remote) completeApp(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	ctx, stop := context.WithTimeout(cmd.Context(), completeTime)
	defer stop()
	found, err := r.client().Health(ctx, false) // which reads no app
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	var names []string
	for _, a := range found.Apps {
		names = append(names, a.Name)
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

func (r *remote) completeArguments(v release.Verb) completion {
	return func(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
		n := 1
		for _, f := range v.Takes {
			if f.Argument {
				if len(args) == n {
					return r.completeField(v.Command, f)(cmd, args, typed)
				}
				n++
			}
		}
		return r.completeApp(cmd, args, typed)
	}
}

// completeField completes a field with what the app knows.
func (r *remote) completeField(c release.Command, f release.Field) completion {
	return func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		if f.Kind == "color" {
			return []string{string(release.Blue), string(release.Green)}, cobra.ShellCompDirectiveNoFileComp
		}
		if len(args) == 0 || f.Kind == "duration" {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		ctx, stop := context.WithTimeout(cmd.Context(), completeTime)
		defer stop()
		a, err := r.client().App(ctx, args[0])
		if err != nil {
			return nil, cobra.ShellCompDirectiveError
		}
		return candidates(c, f, a), cobra.ShellCompDirectiveNoFileComp
	}
}

// candidates are the images of an app that a field may mean, with their tags as descriptions.
func candidates(c release.Command, f release.Field, a api.App) (list []string) {
	if c == release.Rollback {
		return goodVersions(a)
	}
	add := func(i api.Image) {
		text := i.Digest + "\t" + i.Tag
		if f.Kind == "tag" {
			text = i.Tag
		}
		if i.Digest != "" && text != "" && !slices.Contains(list, text) {
			list = append(list, text)
		}
	}
	if c == release.ReleaseQuarantine {
		for _, q := range a.Quarantined {
			add(q.Image)
		}
		return list
	}
	if a.Release != nil {
		add(a.Release.Image)
	}
	if a.Waiting != nil {
		add(*a.Waiting)
	}
	if f.Kind == "image" {
		for _, i := range a.Good {
			add(i)
		}
	}
	return list
}

// goodVersions are those that a rollback may be asked for: tags, with their digests as
// descriptions, and digests where there is no tag, or two images have it.
func goodVersions(a api.App) (list []string) {
	versions := a.Good
	if t := a.RollbackTarget; t != nil && !slices.ContainsFunc(versions, func(i api.Image) bool { return i.Digest == t.Image.Digest }) {
		versions = append([]api.Image{t.Image}, versions...)
	}
	versions = slices.DeleteFunc(slices.Clone(versions), func(i api.Image) bool {
		return i.Digest == "" || a.Live != "" && i.Digest == colorOf(a, a.Live).Image.Digest
	})
	for _, i := range versions {
		alike := func(o api.Image) bool { return o.Tag == i.Tag && o.Digest != i.Digest }
		if i.Tag == "" || slices.ContainsFunc(versions, alike) {
			list = append(list, i.Digest+"\t"+i.Tag)
		} else {
			list = append(list, i.Tag+"\t"+i.String())
		}
	}
	return list
}
