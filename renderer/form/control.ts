import type { Option } from '../../engine/settings/option';

/** What every control gets of its field, besides the value as its model. */
export interface ControlProps {
  option: Option;
  /** `drives` for the options of a drive. */
  scope?: string;
  /** Where the value stands, as `drives.0.serial`. */
  path: string;
  /** For the element that takes the focus; `ID-label` names it. */
  id: string;
  invalid: boolean;
  /** Ids of help and problem. */
  describedby: string;
}
