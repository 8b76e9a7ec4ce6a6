import { KeyedSlots } from '../base/keyed-slots.ts';
import { Flight, type FlightRoom } from './flight.ts';

export interface FlightsOptions {
  /** Memory for all of them, in bytes. */
  readonly maxBytes: number;
  /** For one of them. */
  readonly maxFlightBytes: () => number;
}

/** Answers that are on their way and that others may share, by their keys. */
export class Flights implements FlightRoom {
  readonly #options: FlightsOptions;
  readonly #flights = new KeyedSlots<Flight>();
  #bytes = 0;

  constructor(options: FlightsOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#flights.size;
  }

  /** What they keep for those who come later, about, in bytes. */
  get bytes(): number {
    return this.#bytes;
  }

  get maxFlightBytes(): number {
    return this.#options.maxFlightBytes();
  }

  /** One that can be shared. */
  find(key: string): Flight | undefined {
    return this.#flights.get(key);
  }

  /** A new one, which others find from now on. */
  begin(key: string): Flight {
    const flight = new Flight(key, this);
    // One that could be found until now goes on for those who are in it.
    const before = this.#flights.get(key);
    if (before !== undefined) this.#flights.delete(before);
    this.#flights.add(flight);
    return flight;
  }

  closed(flight: Flight): void {
    this.#flights.delete(flight);
  }

  take(bytes: number): boolean {
    this.#bytes += bytes;
    return this.#bytes <= this.#options.maxBytes;
  }

  give(bytes: number): void {
    this.#bytes -= bytes;
  }
}
