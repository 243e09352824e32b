package push

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/pillion-dev/pillion/pkg/resource"
)

// What becomes of a call: an HTTP status, or one of these.
const (
	codeUnreachable = "unreachable" // no connection: the app does not know of the item
	codeTimeout     = "timeout"     // no whole answer in time
	codeBroken      = "broken"      // the connection ended before the answer did
)

// answered tells whether the app has said anything.
func answered(code string) bool {
	return code != codeUnreachable && code != codeTimeout && code != codeBroken
}

// codeBusy is how an app says that it is not ready for anything.
const codeBusy = "503"

// maxRetryAfter bounds what an app can ask for by Retry-After.
const maxRetryAfter = time.Hour

// call posts an item to the app. What is not a valid answer is a failed result.
func (r *runner) call(ctx context.Context, item *resource.LeaseItem) (code string, result resource.WorkResult) {
	ctx, cancel := context.WithTimeout(ctx, r.handler.Timeout)
	defer cancel()
	var connected atomic.Bool
	ctx = withConnectionTrace(ctx, &connected)
	request, err := r.request(ctx, item)
	if err != nil {
		return codeUnreachable, failed("make the request: " + err.Error())
	}
	response, err := r.client.Do(request)
	if err != nil {
		return r.noAnswer(ctx, connected.Load(), withoutURL(err))
	}
	defer finish(response)
	if response.StatusCode/100 != 2 {
		return strconv.Itoa(response.StatusCode), refused(response)
	}
	body, err := r.body(response)
	if err != nil {
		return r.noAnswer(ctx, true, err)
	}
	return strconv.Itoa(response.StatusCode), r.result(body)
}

// withConnectionTrace keeps connected true while a request has a connection. It
// may have several in turn: one that was idle and turns out to be closed, to
// which nothing was written, is replaced.
func withConnectionTrace(ctx context.Context, connected *atomic.Bool) context.Context {
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GetConn: func(string) { connected.Store(false) },
		GotConn: func(httptrace.GotConnInfo) { connected.Store(true) },
	})
}

func (r *runner) request(ctx context.Context, item *resource.LeaseItem) (*http.Request, error) {
	body := r.push.options.Codec.AppendItem(nil, item)
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, r.handler.URL.URL, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	request.Header.Set("User-Agent", userAgent)
	request.Header.Set("Accept", resource.JSONContentType)
	for name, value := range r.handler.Headers {
		request.Header.Set(name, value)
	}
	request.Header.Set("Content-Type", resource.JSONContentType)
	if r.handler.CloudEvents {
		setEvent(request.Header, r.push.options.Source+"/queues/"+r.handler.Queue, item, time.Now())
	}
	return request, nil
}

// noAnswer is a call that ended without an answer.
func (r *runner) noAnswer(ctx context.Context, connected bool, err error) (string, resource.WorkResult) {
	switch {
	case !connected:
		return codeUnreachable, failed("the app cannot be reached: " + err.Error())
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return codeTimeout, failed(fmt.Sprintf("the app has not answered within %s", r.handler.Timeout))
	}
	return codeBroken, failed("the app has not answered: " + err.Error())
}

// body reads an answer, and one byte more than it may have if it has more.
func (r *runner) body(response *http.Response) ([]byte, error) {
	return io.ReadAll(io.LimitReader(response.Body, r.push.options.Codec.MaxResultBytes()+1))
}

// result reads the body of a 2xx answer.
func (r *runner) result(body []byte) resource.WorkResult {
	if limit := r.push.options.Codec.MaxResultBytes(); int64(len(body)) > limit {
		return failed(fmt.Sprintf("the answer of the app is larger than %d bytes", limit))
	}
	result, err := r.push.options.Codec.DecodeResult(body)
	if err != nil {
		return failed("the answer of the app is not a result: " + err.Error())
	}
	return result
}

// refused is an answer that is not 2xx.
func refused(response *http.Response) resource.WorkResult {
	result := failed("the app answered " + statusText(response.StatusCode))
	if response.StatusCode == http.StatusTooManyRequests || response.StatusCode == http.StatusServiceUnavailable {
		result.RetryAfter = retryAfter(response.Header.Get("Retry-After"), time.Now())
	}
	return result
}

// retryAfter reads the header of that name: seconds or a date (RFC 9110,
// 10.2.3); 0 if it is neither, or over.
func retryAfter(value string, now time.Time) time.Duration {
	if seconds, err := strconv.ParseUint(value, 10, 31); err == nil {
		return min(time.Duration(seconds)*time.Second, maxRetryAfter)
	}
	at, err := http.ParseTime(value)
	if err != nil {
		return 0
	}
	return min(max(at.Sub(now), 0), maxRetryAfter)
}

func failed(text string) resource.WorkResult {
	return resource.WorkResult{Result: resource.ResultFailed, Error: text}
}
