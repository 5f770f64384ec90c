package kube_test

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"bluegreen/internal/release"
	"bluegreen/testbed"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

var (
	written = regexp.MustCompile(`(?m)^apiserver_request_total\{(.*)\} (\S+)$`)
	verb    = regexp.MustCompile(`verb="(POST|PUT|PATCH|APPLY|DELETE)"`)
	object  = regexp.MustCompile(`resource="(deployments|replicasets|pods|services|endpoints|endpointslices)"`)
)

// writes is how many writes of an app's objects the API server has answered, whoever made them.
func writes(b *testing.B) (n int) {
	b.Helper()
	text, err := testbed.Shared(b).Client().Discovery().RESTClient().Get().AbsPath("/metrics").DoRaw(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	for _, line := range written.FindAllStringSubmatch(string(text), -1) {
		if verb.MatchString(line[1]) && object.MatchString(line[1]) {
			count, err := strconv.ParseFloat(line[2], 64)
			if err != nil {
				b.Fatal(err)
			}
			n += int(count)
		}
	}
	return n
}

// settled is the number of writes once none comes any more.
func settled(b *testing.B) int {
	b.Helper()
	last, same := writes(b), 0
	testbed.Eventually(b, time.Minute, func() bool {
		time.Sleep(500 * time.Millisecond)
		now := writes(b)
		if now != last {
			last, same = now, 0
			return false
		}
		same++
		return same == 4
	}, func() string { return "the API server is written to without an end" })
	return last
}

// BenchmarkWrites compares the writes to the API server, those of its controllers included, of a
// release of three pods with those of a rolling update of three, in the same run.
func BenchmarkWrites(b *testing.B) {
	for range b.N {
		w := newCounted(b, 1)
		client := testbed.Shared(b).Client().AppsV1().Deployments(w.space)
		testbed.Shared(b).Deploy(b, testbed.DeploymentSpec{Namespace: w.space, Name: "rolling", Replicas: 3})
		testbed.Shared(b).WaitAvailable(b, w.space, "rolling", 3)
		before := settled(b)
		patch := `{"spec":{"template":{"spec":{"containers":[{"name":"app","image":"registry.example/demo:2"}]}}}}`
		d, err := client.Patch(b.Context(), "rolling", types.StrategicMergePatchType, []byte(patch), metav1.PatchOptions{})
		if err != nil {
			b.Fatal(err)
		}
		testbed.Eventually(b, time.Minute, func() bool {
			now, err := client.Get(b.Context(), "rolling", metav1.GetOptions{})
			return err == nil && now.Status.ObservedGeneration >= d.Generation && now.Status.UpdatedReplicas == 3 && now.Status.Replicas == 3 && now.Status.AvailableReplicas == 3
		}, func() string { return "the rolling update does not end" })
		rolling := settled(b)
		w.push("2.0")
		own := strings.Count(fmt.Sprint(w.until(release.Baking)), "patch ")
		released := settled(b)
		w.until(release.Completed)
		w.during(3*time.Hour, func() bool { return w.state().Blue.Retired() })
		retired := settled(b)
		b.ReportMetric(float64(rolling-before), "rolling-writes")
		b.ReportMetric(float64(released-rolling), "release-writes")
		b.ReportMetric(float64(retired-released), "retire-writes")
		b.ReportMetric(float64(own), "own-writes")
		b.ReportMetric(float64(released-rolling)/float64(rolling-before), "ratio")
		b.ReportMetric(0, "ns/op")
	}
}
