import { createRoot } from 'react-dom/client';
import { onDeviceMessage } from '../shared/messages.js';
import { Page } from './page.js';
import { Server } from './server.js';
import { TimeLineStore } from './time-line-store.js';

const timeLine = new TimeLineStore();
const server = new Server(() => void timeLine.refresh());
onDeviceMessage((message) => {
  timeLine.hear(message);
  if (message.kind !== 'poked') void server.refresh();
});

const root = document.querySelector('#root');
if (root === null) throw new Error('index.html has no #root');
createRoot(root).render(<Page server={server} timeLine={timeLine} />);
await Promise.all([server.refresh(), timeLine.start()]);
