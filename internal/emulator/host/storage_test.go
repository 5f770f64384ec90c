package host_test

import (
	"encoding/base64"
	"testing"
	"time"

	"bluegreen/internal/emulator/host"
	"bluegreen/testbed"
)

func TestStorageQueuesKeepTheContract(t *testing.T) {
	q, err := host.OpenStorage(testbed.SharedAzurite(t).ConnectionString())
	if err != nil {
		t.Fatal(err)
	}
	if got, err := q.Receive(t.Context(), "contract", 1, time.Second); err != nil || len(got) != 0 {
		t.Errorf("a queue that does not exist holds %v, %v", got, err)
	}
	if err := q.Put(t.Context(), "contract", "x", 0); err != nil {
		t.Fatal(err)
	}
	queueContract(t, q, "contract", "x", time.Second)
}

func TestAHostServesTheQueueOfItsConnectionSetting(t *testing.T) {
	connection := testbed.SharedAzurite(t).ConnectionString()
	h, err := host.Start(t.Context(), host.Options{Root: folder(t, queueApp), Env: []string{"HOST_TEST_HANDLER=" + t.TempDir(), "AzureWebJobsStorage=" + connection}})
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	q, err := host.OpenStorage(connection)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"good", order{Reply: "500"}.String()} {
		if err := q.Put(t.Context(), "work-items", base64.StdEncoding.EncodeToString([]byte(text)), 0); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "one message done, one given up", func() bool { return len(h.Poison()) == 1 && len(h.Invocations("")) == 4 })
	if got, err := q.Receive(t.Context(), "work-items-poison", 32, time.Minute); err != nil || len(got) != 1 {
		t.Errorf("the poison queue holds %v, %v", got, err)
	}
}
