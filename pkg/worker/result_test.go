package worker_test

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/pillion-dev/pillion/pkg/localapi/apitest"
	"github.com/pillion-dev/pillion/pkg/resource"
	"github.com/pillion-dev/pillion/pkg/worker"
)

func TestTheExitCodeIsTheAnswer(t *testing.T) {
	done := resource.WorkResult{Result: resource.ResultDone}
	failed := func(text string) resource.WorkResult {
		return resource.WorkResult{Result: resource.ResultFailed, Error: text}
	}
	withStatus := func(result resource.WorkResult, status string) resource.WorkResult {
		result.Status = []byte(status)
		return result
	}
	dead := failed("no such model")
	dead.NoRetry = true
	for name, test := range map[string]struct {
		script   string
		want     resource.WorkResult
		out, err string
	}{
		"done":                            {"exit 0", done, "", ""},
		"a status":                        {`echo ' {"on":true}'`, withStatus(done, `{"on":true}`), "", ""},
		"a status in parts":               {`printf '\n'; printf '{'; printf '"on":1}\n\n'`, withStatus(done, `{"on":1}`), "", ""},
		"text is passed on":               {"echo one; printf two", done, "one\ntwo\n", ""},
		"a list is no status":             {"echo '[1]'", done, "[1]\n", ""},
		"what begins as an object":        {"echo '{on}'", done, "{on}\n", ""},
		"two objects":                     {"echo '{}'; echo '{}'", done, "{}\n{}\n", ""},
		"failed with its last words":      {"echo one >&2; echo ' two ' >&2; echo >&2; exit 75", failed("two"), "", "one\n two \n\n"},
		"failed without a word":           {"exit 3", failed("the command ended with exit status 3"), "", ""},
		"failed by a signal":              {"kill -9 $$", failed("the command ended with signal: killed"), "", ""},
		"failed with a status":            {`echo '{"on":false}'; echo no >&2; exit 1`, withStatus(failed("no"), `{"on":false}`), "", "no\n"},
		"failed for good":                 {"echo no such model >&2; exit 65", dead, "", "no such model\n"},
		"words that are no UTF-8":         {`printf 'a\377b' >&2; exit 1`, failed("a?b"), "", "a\377b\n"},
		"standard input that is not read": {"exec true", done, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, resource.Agent)
			w.options.UntilEmpty, w.options.Once = false, true
			w.add("dev-1")
			w.run(test.script)
			if got := w.recorder.results(); len(got) != 1 || !reflect.DeepEqual(got[0], test.want) {
				t.Errorf("answered %+v, want %+v", got, test.want)
			}
			if w.out.String() != test.out || w.err.String() != test.err {
				t.Errorf("passed on %q and %q, want %q and %q", w.out, w.err, test.out, test.err)
			}
		})
	}
}

func TestLongLastWordsAreCut(t *testing.T) {
	w := newWorld(t, resource.Agent)
	w.options.UntilEmpty, w.options.Once = false, true
	w.add("dev-1")
	w.run(`head -c 20000 /dev/zero | tr '\0' x >&2; exit 1`)
	if got := w.recorder.results(); len(got[0].Error) != 1024 || len(w.err.String()) < 20000 {
		t.Errorf("an error of %d bytes, of %d", len(got[0].Error), len(w.err.String()))
	}
}

func TestAStatusThatIsTooLongFails(t *testing.T) {
	w := newWorld(t, resource.Agent)
	w.options.UntilEmpty, w.options.Once = false, true
	w.add("dev-1")
	w.run(`printf '{"a":"'; head -c 5000000 /dev/zero | tr '\0' x; printf '"}'`)
	got := w.recorder.results()
	if got[0].Result != resource.ResultFailed || got[0].Status != nil || !strings.Contains(got[0].Error, "bytes") {
		t.Errorf("answered %.300v", got)
	}
}

func TestASourceReportsNoStatus(t *testing.T) {
	w := newWorld(t, resource.Source)
	w.options.ConfirmDeletes = true
	res := device("dev-1")
	at := time.Now()
	res.DeletionTimestamp = &at
	w.backend.Receive(res)
	w.run(`echo '{"on":true}'`)
	if got := w.recorder.results(); len(got) != 1 || got[0].Status != nil || got[0].Deleted || w.out.String() != "{\"on\":true}\n" {
		t.Errorf("answered %+v, passed on %q", got, w.out)
	}
}

func TestDeletionsAreConfirmedIfThatIsWanted(t *testing.T) {
	for _, confirm := range []bool{true, false} {
		w := newWorld(t, resource.Agent)
		w.options.ConfirmDeletes, w.options.UntilEmpty, w.options.Once = confirm, false, true
		res := device("dev-1")
		at := time.Now()
		res.DeletionTimestamp = &at
		w.backend.Receive(res)
		w.add("dev-2")
		w.run(`echo "$SIDECAR_KEY_ID $SIDECAR_DELETING" >> $DIR/seen`)
		for _, result := range w.recorder.results() {
			if confirm && result.Deleted {
				confirm = false
			} else if result.Deleted {
				t.Errorf("answered %+v", result)
			}
		}
		if seen := w.file("seen"); confirm || !strings.Contains(seen, "dev-1 true") || !strings.Contains(seen, "dev-2 false") {
			t.Errorf("the commands saw %q; a confirmation is missing: %t", seen, confirm)
		}
	}
}

func TestTheItemReachesTheCommand(t *testing.T) {
	w := newWorld(t, resource.Agent)
	res := device("a/b c")
	w.backend.Receive(res)
	w.backend.Receive(res)
	w.run(`cat > $DIR/item; env | grep ^SIDECAR_ | grep -v LEASE | sort > $DIR/env; test -n "$SIDECAR_LEASE"`)
	if item := w.file("item"); !strings.Contains(item, `"object":{`) || !strings.Contains(item, `"spec":{"text":"<&>"}`) {
		t.Errorf("item %s", item)
	}
	want := "SIDECAR_ATTEMPT=1\nSIDECAR_CLUSTER=cluster1\nSIDECAR_DATA_TYPE=" + devices + "\nSIDECAR_DELETING=false\nSIDECAR_GONE=false\n" +
		"SIDECAR_KEY_ID=a/b c\nSIDECAR_QUEUE=resources\nSIDECAR_REASONS=created,updated\nSIDECAR_SOURCE=" + apitest.Name + "\nSIDECAR_VERSION=3\n"
	if env := w.file("env"); env != want {
		t.Errorf("environment\n%swant\n%s", env, want)
	}
}

func TestAnItemThatIsGone(t *testing.T) {
	w := newWorld(t, resource.Source)
	w.add("dev-1")
	w.backend.Confirm(device("dev-1").Key)
	w.run(`echo "$SIDECAR_GONE $SIDECAR_VERSION $SIDECAR_REASONS" > $DIR/seen`)
	if seen := w.file("seen"); seen != "true 0 created,deleted\n" {
		t.Errorf("the command saw %q", seen)
	}
}

func TestACommandThatDoesNotStart(t *testing.T) {
	w := newWorld(t, resource.Agent)
	w.options.UntilEmpty, w.options.Once = false, true
	w.add("dev-1")
	w.options.Command = []string{"/nonexistent"}
	summary, err := worker.Run(t.Context(), w.options)
	if got := w.recorder.results(); err != nil || summary.Failed != 1 || !strings.Contains(got[0].Error, "did not start") {
		t.Errorf("%+v, %v, answered %+v", summary, err, got)
	}
}

func TestARefusedResultIsAFailure(t *testing.T) {
	w := newWorld(t, resource.Agent)
	w.options.UntilEmpty, w.options.Once = false, true
	w.recorder.refuse = func(r resource.WorkResult) error {
		if r.Status != nil {
			return resource.Errorf(resource.TooLarge, "the status is too large")
		}
		return nil
	}
	w.add("dev-1")
	summary := w.run("echo '{}'")
	if got := w.recorder.results(); len(got) != 1 || summary.Failed != 1 || !strings.Contains(got[0].Error, "the status is too large") {
		t.Errorf("%+v, answered %+v", summary, got)
	}
}

func TestWhatCannotBeAskedEndsTheWorker(t *testing.T) {
	w := newWorld(t, resource.Agent)
	w.options.Request.Queue, w.options.UntilEmpty = "none", false
	_, err := w.start(t.Context(), "exit 0")()
	var problem *resource.Error
	if !errors.As(err, &problem) || problem.Code != resource.NotFound {
		t.Errorf("ended with %v", err)
	}
}
