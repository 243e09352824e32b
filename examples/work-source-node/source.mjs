// A hub's app: declares a ManifestWork, waits with an informer until the
// cluster says that it is applied, and deletes it.
//
// Usage: KUBECONFIG=sidecar.kubeconfig CLUSTER=cluster1 node source.mjs [NAME]
import * as k8s from '@kubernetes/client-node';

const group = 'work.open-cluster-management.io', version = 'v1', plural = 'manifestworks';
const namespace = process.env.CLUSTER ?? 'cluster1';
const name = process.argv[2] ?? 'hello';

const kubeconfig = new k8s.KubeConfig();
kubeconfig.loadFromDefault();
const api = kubeconfig.makeApiClient(k8s.CustomObjectsApi);

const work = {
  apiVersion: `${group}/${version}`,
  kind: 'ManifestWork',
  metadata: { name, namespace },
  spec: {
    workload: {
      manifests: [{ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, namespace: 'default' }, data: { k: 'v1' } }],
    },
    manifestConfigs: [{
      resourceIdentifier: { group: '', resource: 'configmaps', name, namespace: 'default' },
      feedbackRules: [{ type: 'JSONPaths', jsonPaths: [{ name: 'k', path: '.data.k' }] }],
    }],
  },
};

const informer = k8s.makeInformer(kubeconfig, `/apis/${group}/${version}/namespaces/${namespace}/${plural}`,
  () => api.listNamespacedCustomObject({ group, version, namespace, plural }));

const applied = w => w.status?.conditions?.some(c =>
  c.type === 'Applied' && c.status === 'True' && c.observedGeneration === w.metadata.generation);

let deleting = false;
for (const event of ['add', 'update']) {
  informer.on(event, async w => {
    if (w.metadata.name !== name || deleting || !applied(w)) return;
    deleting = true;
    const value = w.status.resourceStatus.manifests[0].statusFeedback.values[0].fieldValue.string;
    console.log(`${name}: applied, k is ${value}`);
    await api.deleteNamespacedCustomObject({ group, version, namespace, plural, name });
  });
}
informer.on('delete', async w => {
  if (w.metadata.name !== name) return;
  console.log(`${name}: gone`);
  await informer.stop();
  process.exit(0);
});
informer.on('error', () => setTimeout(() => informer.start().catch(() => {}), 500)); // it lists again

await informer.start();
await api.createNamespacedCustomObject({ group, version, namespace, plural, body: work });
console.log(`${name}: declared`);
