export { checkHostname, checkName } from './name.ts';
export { readRecord, type ZoneEnd, type ZoneRecord, type ZoneVolume } from './record.ts';
export { hasMachine, isAlive, journalFile, type ZoneState, type ZoneStatus, zoneStatus } from './status.ts';
export { type NewZone, type StoredZone, Zones } from './zones.ts';
