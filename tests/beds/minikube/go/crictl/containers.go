package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"regexp"
	"strings"
	"text/tabwriter"
	"time"

	cri "k8s.io/cri-api/pkg/apis/runtime/v1"
)

const followEvery = 300 * time.Millisecond

func version(rt runtime, _ []string) error {
	answer, err := rt.containers.Version(rt.context, &cri.VersionRequest{})
	if err != nil {
		return err
	}
	fmt.Println("Version: ", answer.Version)
	fmt.Println("RuntimeName: ", answer.RuntimeName)
	fmt.Println("RuntimeVersion: ", answer.RuntimeVersion)
	fmt.Println("RuntimeApiVersion: ", answer.RuntimeApiVersion)
	return nil
}

func info(rt runtime, _ []string) error {
	answer, err := rt.containers.Status(rt.context, &cri.StatusRequest{Verbose: true})
	if err != nil {
		return err
	}
	whole := map[string]any{"status": answer.Status}
	for key, value := range answer.Info {
		whole[key] = asJSON(value)
	}
	return printJSON(whole)
}

// listContainers shows what runs or, with -a, what is there; of a name (a regular expression) and a label.
func listContainers(rt runtime, words []string) error {
	flags := flag.NewFlagSet("ps", flag.ContinueOnError)
	all := flags.Bool("a", false, "also those that don't run")
	quiet := flags.Bool("quiet", false, "ids only")
	name := flags.String("name", "", "only containers whose name matches")
	label := flags.String("label", "", "only containers with this key=value")
	if err := flags.Parse(words); err != nil {
		return err
	}
	matches, err := regexp.Compile(*name)
	if err != nil {
		return err
	}
	filter := &cri.ContainerFilter{}
	if !*all {
		filter.State = &cri.ContainerStateValue{State: cri.ContainerState_CONTAINER_RUNNING}
	}
	if key, value, given := strings.Cut(*label, "="); given {
		filter.LabelSelector = map[string]string{key: value}
	}
	answer, err := rt.containers.ListContainers(rt.context, &cri.ListContainersRequest{Filter: filter})
	if err != nil {
		return err
	}
	var found []*cri.Container
	for _, one := range answer.Containers {
		if matches.MatchString(one.Metadata.Name) {
			found = append(found, one)
		}
	}
	if *quiet {
		for _, one := range found {
			fmt.Println(one.Id)
		}
		return nil
	}
	return containerTable(found)
}

// containerTable is what `minikube logs` shows to people.
func containerTable(containers []*cri.Container) error {
	table := tabwriter.NewWriter(os.Stdout, 0, 8, 3, ' ', 0)
	fmt.Fprintln(table, "CONTAINER\tIMAGE\tCREATED\tSTATE\tNAME\tATTEMPT\tPOD ID\tPOD")
	for _, one := range containers {
		age := time.Since(time.Unix(0, one.CreatedAt)).Round(time.Second)
		state := strings.ToLower(strings.TrimPrefix(one.State.String(), "CONTAINER_"))
		fmt.Fprintf(table, "%s\t%s\t%s ago\t%s\t%s\t%d\t%s\t%s\n", short(one.Id), short(one.Image.Image), age, state,
			one.Metadata.Name, one.Metadata.Attempt, short(one.PodSandboxId), one.Labels["io.kubernetes.pod.name"])
	}
	return table.Flush()
}

func stopContainers(rt runtime, words []string) error {
	flags := flag.NewFlagSet("stop", flag.ContinueOnError)
	seconds := flags.Int64("timeout", 0, "seconds before it is killed")
	if err := flags.Parse(words); err != nil {
		return err
	}
	return each(flags.Args(), func(id string) error {
		_, err := rt.containers.StopContainer(rt.context, &cri.StopContainerRequest{ContainerId: id, Timeout: *seconds})
		return err
	})
}

func removeContainers(rt runtime, words []string) error {
	flags := flag.NewFlagSet("rm", flag.ContinueOnError)
	force := flags.Bool("force", false, "stop it first")
	if err := flags.Parse(words); err != nil {
		return err
	}
	return each(flags.Args(), func(id string) error {
		if *force {
			if _, err := rt.containers.StopContainer(rt.context, &cri.StopContainerRequest{ContainerId: id}); err != nil {
				return err
			}
		}
		_, err := rt.containers.RemoveContainer(rt.context, &cri.RemoveContainerRequest{ContainerId: id})
		return err
	})
}

func listPods(rt runtime, words []string) error {
	flags := flag.NewFlagSet("pods", flag.ContinueOnError)
	flags.Bool("q", false, "taken: there are only ids here")
	if err := flags.Parse(words); err != nil {
		return err
	}
	answer, err := rt.containers.ListPodSandbox(rt.context, &cri.ListPodSandboxRequest{})
	if err != nil {
		return err
	}
	for _, one := range answer.Items {
		fmt.Println(one.Id)
	}
	return nil
}

func stopPods(rt runtime, ids []string) error {
	return each(ids, func(id string) error {
		_, err := rt.containers.StopPodSandbox(rt.context, &cri.StopPodSandboxRequest{PodSandboxId: id})
		return err
	})
}

func removePods(rt runtime, ids []string) error {
	return each(ids, func(id string) error {
		_, err := rt.containers.RemovePodSandbox(rt.context, &cri.RemovePodSandboxRequest{PodSandboxId: id})
		return err
	})
}

// logs shows what a container has written, from the file that the runtime keeps of it.
func logs(rt runtime, words []string) error {
	flags := flag.NewFlagSet("logs", flag.ContinueOnError)
	tail := flags.Int("tail", -1, "only so many lines of the end")
	follow := flags.Bool("follow", false, "go on with what comes")
	if err := flags.Parse(words); err != nil {
		return err
	}
	if flags.NArg() != 1 {
		return errors.New("logs needs one container")
	}
	status, err := rt.containers.ContainerStatus(rt.context, &cri.ContainerStatusRequest{ContainerId: flags.Arg(0)})
	if err != nil {
		return err
	}
	file, err := os.Open(status.Status.LogPath)
	if err != nil {
		return err
	}
	defer file.Close()
	text, err := io.ReadAll(file)
	if err != nil {
		return err
	}
	lines := strings.SplitAfter(string(text), "\n")
	lines = lines[:len(lines)-1] // what comes after the last end of a line
	if *tail >= 0 && *tail < len(lines) {
		lines = lines[len(lines)-*tail:]
	}
	for _, line := range lines {
		showLine(line)
	}
	if *follow {
		return followFile(file)
	}
	return nil
}

func followFile(file *os.File) error {
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, os.Interrupt)
	var rest string
	for {
		text, err := io.ReadAll(file)
		if err != nil {
			return err
		}
		lines := strings.SplitAfter(rest+string(text), "\n")
		rest = lines[len(lines)-1]
		for _, line := range lines[:len(lines)-1] {
			showLine(line)
		}
		select {
		case <-ended:
			return nil
		case <-time.After(followEvery):
		}
	}
}

// showLine prints the text of a log line: it comes after the time, the stream, and F for a full line or P for a part of one.
func showLine(line string) {
	fields := strings.SplitN(line, " ", 4)
	if len(fields) < 4 {
		return
	}
	stream, text := os.Stdout, fields[3]
	if fields[1] == "stderr" {
		stream = os.Stderr
	}
	if fields[2] == "P" {
		text = strings.TrimSuffix(text, "\n")
	}
	fmt.Fprint(stream, text)
}
