import { ConsoleLogger, Logger } from '@nestjs/common';
import { vi } from 'vitest';

// Before each file of a shared process: this project's modules are evaluated anew, those of packages stay as they are.
vi.resetModules();
Logger.overrideLogger(new ConsoleLogger());
