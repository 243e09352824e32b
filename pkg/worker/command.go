package worker

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/pillion-dev/pillion/pkg/resource"
)

// killDelay is what a command has between SIGTERM and SIGKILL, and its children
// that keep its output open after its end.
const killDelay = 5 * time.Second

// run runs the command for an item and makes a result of how it ends.
func (w *worker) run(item resource.LeaseItem) resource.WorkResult {
	input, err := encode(item)
	if err != nil {
		return failed("encode the item: " + err.Error())
	}
	ctx, cancel := w.commands, context.CancelFunc(func() {})
	if w.Timeout > 0 {
		ctx, cancel = context.WithTimeout(ctx, w.Timeout)
	}
	defer cancel()
	status, complaints := newStatus(w.stdout, w.Agent), newTail(w.stderr)
	cmd := w.command(ctx, item)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(input), status, complaints
	err = runGroup(cmd)
	status.end()
	complaints.end()
	end := ending{state: cmd.ProcessState, err: err, timedOut: w.Timeout > 0 && errors.Is(ctx.Err(), context.DeadlineExceeded)}
	return w.judge(item, end, status, complaints)
}

func encode(item resource.LeaseItem) ([]byte, error) {
	var input bytes.Buffer
	encoder := json.NewEncoder(&input)
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(item)
	return input.Bytes(), err
}

// command is a process group of its own, which gets SIGTERM when ctx ends.
func (w *worker) command(ctx context.Context, item resource.LeaseItem) *exec.Cmd {
	cmd := exec.CommandContext(ctx, w.Command[0], w.Command[1:]...)
	cmd.Env = append(append(os.Environ(), w.Env...), environment(w.Request.Queue, item)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.WaitDelay = killDelay + time.Second
	return cmd
}

// environment is what a command is told of its item besides its standard input.
func environment(queue string, item resource.LeaseItem) []string {
	version := int64(0)
	if item.Object != nil {
		version = item.Object.Version
	}
	return []string{
		"SIDECAR_QUEUE=" + queue,
		"SIDECAR_LEASE=" + item.Lease,
		"SIDECAR_DATA_TYPE=" + string(item.Key.DataType),
		"SIDECAR_SOURCE=" + item.Key.Source,
		"SIDECAR_CLUSTER=" + item.Key.Cluster,
		"SIDECAR_KEY_ID=" + item.Key.ID,
		"SIDECAR_VERSION=" + strconv.FormatInt(version, 10),
		"SIDECAR_REASONS=" + strings.Join(item.Reasons, ","),
		"SIDECAR_ATTEMPT=" + strconv.Itoa(item.Attempt),
		"SIDECAR_DELETING=" + strconv.FormatBool(isDeleting(item)),
		"SIDECAR_GONE=" + strconv.FormatBool(item.Object == nil),
	}
}

// runGroup is cmd.Run, but signals go to the whole group.
func runGroup(cmd *exec.Cmd) error {
	kill := func(signal syscall.Signal) error { return syscall.Kill(-cmd.Process.Pid, signal) }
	var late *time.Timer
	cmd.Cancel = func() error {
		late = time.AfterFunc(killDelay, func() { _ = kill(syscall.SIGKILL) })
		return kill(syscall.SIGTERM)
	}
	err := cmd.Run() // after which Cancel is not called, nor under way
	if late != nil {
		late.Stop()
	}
	return err
}

// ending is how a command ended.
type ending struct {
	state    *os.ProcessState // nil: it did not start
	err      error
	timedOut bool
}

// code is the exit code; -1 if there is none.
func (e ending) code() int {
	if e.state == nil {
		return -1
	}
	return e.state.ExitCode()
}

// judge makes a result of the end of a command.
func (w *worker) judge(item resource.LeaseItem, end ending, status *status, complaints *tail) resource.WorkResult {
	switch {
	case end.code() == 0 && status.tooLong():
		return w.fail(item, end, fmt.Sprintf("the command wrote a status of more than %d bytes", maxStatus))
	case end.code() == 0:
		return resource.WorkResult{Result: resource.ResultDone, Status: status.object(), Deleted: w.Agent && w.ConfirmDeletes && isDeleting(item)}
	case end.state == nil:
		return w.fail(item, end, "the command did not start: "+end.err.Error())
	case end.timedOut:
		return w.fail(item, end, fmt.Sprintf("the command took longer than %s", w.Timeout))
	case w.commands.Err() != nil:
		w.Log.Warn("the command was ended with the worker; the item goes back", "key", item.Key.String())
		return returned()
	}
	result := w.fail(item, end, complaints.or("the command ended with "+end.state.String()))
	result.Status = status.object()
	return result
}

func (w *worker) fail(item resource.LeaseItem, end ending, text string) resource.WorkResult {
	result := failed(text)
	result.NoRetry = end.code() == ExitNoRetry
	w.Log.Warn("the command failed", "key", item.Key.String(), "attempt", item.Attempt, "exitCode", end.code(), "retry", !result.NoRetry)
	return result
}
