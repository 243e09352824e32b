package mqtt

import (
	"context"
	"errors"
	"fmt"

	"github.com/eclipse/paho.golang/paho"

	"github.com/pillion-dev/pillion/pkg/transport"
)

// Subscribe is part of the contract, transport.Session. It subscribes anew in
// a resumed session too: the broker may have lost it, and it costs one packet.
func (s *session) Subscribe(ctx context.Context) error {
	d := s.driver
	wanted := d.options.Topics.Subscriptions(d.options.Role)
	if err := s.subscribe(ctx, wanted); err != nil {
		return err
	}
	d.options.Log.Debug("subscribed", "filters", wanted, "resumed", s.resumed)
	if !s.resumed {
		d.setSubscribed(wanted...)
		return nil
	}
	if err := s.unsubscribe(ctx, d.leftovers(wanted)); err != nil {
		return err
	}
	d.setSubscribed(wanted...)
	return nil
}

func (s *session) subscribe(ctx context.Context, filters []string) error {
	packet := &paho.Subscribe{}
	for _, filter := range filters {
		packet.Subscriptions = append(packet.Subscriptions, paho.SubscribeOptions{Topic: filter, QoS: s.driver.options.SubQoS})
	}
	ack, err := s.client.Subscribe(ctx, packet)
	if ack == nil {
		return fmt.Errorf("subscribe: %w", s.unanswered(ctx, err))
	}
	var errs []error
	for i, reason := range ack.Reasons {
		switch {
		case reason >= reasonFailure:
			errs = append(errs, denied(filters[i], reason, ack.Properties.ReasonString))
		case reason == 0:
			s.driver.options.Log.Warn("broker grants QoS 0 only: events may get lost", "filter", filters[i])
		}
	}
	if len(ack.Reasons) != len(filters) {
		errs = append(errs, fmt.Errorf("subscribe: %d topics were answered with %d reasons", len(filters), len(ack.Reasons)))
	}
	return errors.Join(errs...)
}

func (s *session) unsubscribe(ctx context.Context, filters []string) error {
	if len(filters) == 0 {
		return nil
	}
	ack, err := s.client.Unsubscribe(ctx, &paho.Unsubscribe{Topics: filters})
	if ack == nil {
		return fmt.Errorf("unsubscribe: %w", s.unanswered(ctx, err))
	}
	for i, reason := range ack.Reasons[:min(len(filters), len(ack.Reasons))] {
		if reason >= reasonFailure {
			s.driver.options.Log.Warn("broker does not unsubscribe an old topic", "filter", filters[i], "reason", reason)
		}
	}
	return nil
}

// unanswered is why a request of ours got no answer.
func (s *session) unanswered(ctx context.Context, err error) error {
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, paho.ErrInvalidArguments): // CONNACK said that the broker cannot do this
		return &transport.RejectedError{Reason: reasonFailure, Message: "the broker has no wildcard or no shared subscriptions: leave $share out of mqtt.topics, or use another broker"}
	}
	return transport.ErrClosed
}
