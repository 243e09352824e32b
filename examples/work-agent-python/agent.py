#!/usr/bin/env python3
"""A work agent: applies the ManifestWorks of its cluster and reports on them.

Usage: CLUSTER=cluster1 KUBECONFIG=sidecar.kubeconfig python3 agent.py
Needs the official Kubernetes client (Debian: python3-kubernetes, PyYAML).
Manifests go to the folder APPLY_DIR (default /tmp/pillion/applied), one file
each, or to the cluster of TARGET_KUBECONFIG if that is set.
"""
import datetime
import json
import os
import pathlib
import time

import yaml
from kubernetes import client, config, dynamic, watch

CLUSTER = os.environ.get("CLUSTER", "cluster1")
FOLDER = pathlib.Path(os.environ.get("APPLY_DIR", "/tmp/pillion/applied"))
WORKS = ("work.open-cluster-management.io", "v1", CLUSTER, "manifestworks")
CLEANUP = "cluster.open-cluster-management.io/manifest-work-cleanup"

sidecar = client.CustomObjectsApi(config.new_client_from_config(os.environ.get("KUBECONFIG")))
target = None
if os.environ.get("TARGET_KUBECONFIG"):
    target = dynamic.DynamicClient(config.new_client_from_config(os.environ["TARGET_KUBECONFIG"]))


def place(manifest):
    """The file of a manifest."""
    meta = manifest["metadata"]
    return FOLDER / "_".join([manifest["kind"].lower(), meta.get("namespace", ""), meta["name"]]).replace("/", "_")


def apply(manifest):
    """Makes it so, and returns what is there then."""
    if target is None:
        FOLDER.mkdir(parents=True, exist_ok=True)
        place(manifest).with_suffix(".yaml").write_text(yaml.safe_dump(manifest))
        return manifest
    resource = target.resources.get(api_version=manifest["apiVersion"], kind=manifest["kind"])
    return resource.server_side_apply(manifest, field_manager="work-agent", force_conflicts=True).to_dict()


def remove(manifest):
    """Removes it; that it is gone already is no error."""
    if target is None:
        place(manifest).with_suffix(".yaml").unlink(missing_ok=True)
        return
    resource = target.resources.get(api_version=manifest["apiVersion"], kind=manifest["kind"])
    try:
        resource.delete(name=manifest["metadata"]["name"], namespace=manifest["metadata"].get("namespace"))
    except dynamic.exceptions.NotFoundError:
        pass


def condition(kind, good, message, before=()):
    """A condition, which keeps its time while its status stays."""
    status = "True" if good else "False"
    since = next((c["lastTransitionTime"] for c in before if c["type"] == kind and c["status"] == status), None)
    now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {"type": kind, "status": status, "reason": kind if good else "Failed", "message": message,
            "lastTransitionTime": since or now}


def feedback(work, manifest, there):
    """The values that the work asks for, by paths such as .data.k."""
    meta, values = manifest["metadata"], []
    for wanted in work["spec"].get("manifestConfigs", []):
        identity = wanted["resourceIdentifier"]
        if identity["name"] != meta["name"] or identity.get("namespace", "") != meta.get("namespace", ""):
            continue
        for path in (p for rule in wanted.get("feedbackRules", []) for p in rule.get("jsonPaths", [])):
            value = there
            for step in path["path"].strip(".").split("."):
                value = value.get(step) if isinstance(value, dict) else None
            if isinstance(value, bool):
                values.append({"name": path["name"], "fieldValue": {"type": "Boolean", "boolean": value}})
            elif isinstance(value, int):
                values.append({"name": path["name"], "fieldValue": {"type": "Integer", "integer": value}})
            elif value is not None:
                text = value if isinstance(value, str) else json.dumps(value)
                values.append({"name": path["name"], "fieldValue": {"type": "String", "string": text}})
    return values


def report_on(work, ordinal, manifest, before):
    """Applies one manifest and says how that went."""
    group, _, version = manifest["apiVersion"].rpartition("/")
    meta = {"ordinal": ordinal, "group": group, "version": version, "kind": manifest["kind"], "resource": "",
            "name": manifest["metadata"]["name"], "namespace": manifest["metadata"].get("namespace", "")}
    old = next((m.get("conditions", []) for m in before if m["resourceMeta"].get("ordinal") == ordinal), [])
    try:
        there, fault = apply(manifest), ""
    except Exception as e:  # whatever it is, the source should know
        there, fault = {}, str(e)[:1000]
    conditions = [condition(kind, not fault, fault, old) for kind in ("Applied", "Available")]
    return {"resourceMeta": meta, "conditions": conditions, "statusFeedback": {"values": feedback(work, manifest, there)}}


def handle(work):
    """Makes the cluster as the work says."""
    meta, manifests = work["metadata"], work["spec"].get("workload", {}).get("manifests", [])
    patch = lambda body: sidecar.patch_namespaced_custom_object(*WORKS, meta["name"], body)
    if meta.get("deletionTimestamp"):
        for manifest in manifests:
            remove(manifest)
        patch({"metadata": {"finalizers": None}})
        print(f"{meta['name']}: cleaned up", flush=True)
        return
    if CLEANUP not in meta.get("finalizers", []):  # before anything is applied
        patch({"metadata": {"finalizers": meta.get("finalizers", []) + [CLEANUP]}})
    status = work.get("status", {})
    before = status.get("resourceStatus", {}).get("manifests", [])
    reports = [report_on(work, i, manifest, before) for i, manifest in enumerate(manifests)]
    conditions = []
    for kind in ("Applied", "Available"):
        good = all(c["status"] == "True" for r in reports for c in r["conditions"] if c["type"] == kind)
        message = f"{len(reports)} manifests" if good else "see the manifests"
        conditions.append(dict(condition(kind, good, message, status.get("conditions", [])), observedGeneration=meta["generation"]))
    wanted = {"conditions": conditions, "resourceStatus": {"manifests": reports}}
    if wanted != {key: status.get(key) for key in wanted}:
        sidecar.patch_namespaced_custom_object_status(*WORKS, meta["name"], {"status": wanted})
    print(f"{meta['name']}: generation {meta['generation']} applied", flush=True)


def main():
    """Lists, then watches from there on, and lists again when that has lapsed."""
    done = {}  # name -> generation and deletion that were handled
    while True:
        try:
            works = sidecar.list_namespaced_custom_object(*WORKS)
            events = [{"type": "ADDED", "object": work} for work in works["items"]]
            version = works["metadata"]["resourceVersion"]
            stream = watch.Watch().stream(sidecar.list_namespaced_custom_object, *WORKS, resource_version=version, timeout_seconds=300)
            for event in (e for source in (events, stream) for e in source):
                work = event["object"]
                state = (work["metadata"].get("generation"), work["metadata"].get("deletionTimestamp"))
                if event["type"] in ("ADDED", "MODIFIED") and done.get(work["metadata"]["name"]) != state:
                    handle(work)
                    done[work["metadata"]["name"]] = state
                elif event["type"] == "DELETED":
                    done.pop(work["metadata"]["name"], None)
        except Exception as e:  # the sidecar is not there, or somebody was faster: from the start
            print(f"again: {type(e).__name__}", flush=True)
            time.sleep(0.5)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        pass
