package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"strconv"
	"strings"
	"text/tabwriter"

	cri "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// image is one entry of `images --output json`, as minikube reads it. Lists are never null.
type image struct {
	ID          string   `json:"id"`
	RepoTags    []string `json:"repoTags"`
	RepoDigests []string `json:"repoDigests"`
	Size        string   `json:"size"`
}

func listImages(rt runtime, words []string) error {
	flags := flag.NewFlagSet("images", flag.ContinueOnError)
	format := flags.String("output", "table", "table or json")
	if err := flags.Parse(words); err != nil {
		return err
	}
	answer, err := rt.images.ListImages(rt.context, &cri.ListImagesRequest{})
	if err != nil {
		return err
	}
	images := []image{}
	for _, one := range answer.Images {
		size := strconv.FormatUint(one.Size_, 10)
		images = append(images, image{one.Id, append([]string{}, one.RepoTags...), append([]string{}, one.RepoDigests...), size})
	}
	if *format == "json" {
		return printJSON(map[string]any{"images": images})
	}
	table := tabwriter.NewWriter(os.Stdout, 0, 8, 3, ' ', 0)
	fmt.Fprintln(table, "IMAGE\tIMAGE ID\tSIZE")
	for _, one := range images {
		fmt.Fprintf(table, "%s\t%s\t%s\n", strings.Join(append(one.RepoTags, one.RepoDigests...), " "), short(one.ID), one.Size)
	}
	return table.Flush()
}

func pullImages(rt runtime, names []string) error {
	return each(names, func(name string) error {
		_, err := rt.images.PullImage(rt.context, &cri.PullImageRequest{Image: &cri.ImageSpec{Image: name}})
		return err
	})
}

func removeImages(rt runtime, names []string) error {
	return each(names, func(name string) error {
		if _, err := find(rt, name); err != nil {
			return err
		}
		_, err := rt.images.RemoveImage(rt.context, &cri.RemoveImageRequest{Image: &cri.ImageSpec{Image: name}})
		return err
	})
}

func inspectImages(rt runtime, names []string) error {
	for _, name := range names {
		found, err := find(rt, name)
		if err != nil {
			return err
		}
		if err := printJSON(map[string]any{"status": found}); err != nil {
			return err
		}
	}
	return nil
}

// find is the image of a name: the runtime itself calls it no error that there is none.
func find(rt runtime, name string) (*cri.Image, error) {
	answer, err := rt.images.ImageStatus(rt.context, &cri.ImageStatusRequest{Image: &cri.ImageSpec{Image: name}})
	if err != nil {
		return nil, err
	}
	if answer.Image == nil {
		return nil, fmt.Errorf("no such image %q present", name)
	}
	return answer.Image, nil
}

// each does the same for every name and prints it when done; a failure does not keep it from the others.
func each(names []string, do func(string) error) error {
	if len(names) == 0 {
		return errors.New("it is not said which one")
	}
	var failures []error
	for _, name := range names {
		if err := do(name); err != nil {
			failures = append(failures, fmt.Errorf("%s: %w", name, err))
		} else {
			fmt.Println(name)
		}
	}
	return errors.Join(failures...)
}

func short(id string) string {
	id = strings.TrimPrefix(id, "sha256:")
	return id[:min(13, len(id))]
}

// asJSON is the value of a text that is JSON itself, else the text.
func asJSON(text string) any {
	var value any
	if json.Unmarshal([]byte(text), &value) != nil {
		return text
	}
	return value
}

func printJSON(value any) error {
	text, err := json.MarshalIndent(value, "", "  ")
	if err == nil {
		fmt.Println(string(text))
	}
	return err
}
